"""The commands that a lab book gives, ready to be typed: to see more of a model, or to train a better one."""

import math
import shlex
from dataclasses import replace

from rhinoise.explain.advice import CALIBRATED
from rhinoise.recipes import Recipe
from rhinoise.recipes.recipe import Shares
from rhinoise.storage.bundled import asked_for_as
from rhinoise.workflows.book.kept import Kept
from rhinoise.workflows.command import command

SHARE = 0.5
"""How much more of the time a blurred autoencoder is given."""


def commands_of(known: Kept) -> dict[str, str]:
    """Name => a command, ready to be typed."""
    place = shlex.quote(asked_for_as(known.place))
    said = {
        "draw": f'rhinoise generate "what to draw" --model {place}',
        "film": f'rhinoise generate "what to draw" --model {place} --film --out film',
        "check": f'rhinoise generate "what to draw" --model {place} --check --count 8 --out check',
        "variance": f"rhinoise reconstruct PICTURE.png --model {place} --curve --out variance",
        "atlas": f"rhinoise atlas {place} --out atlas.html",
        "attention": f'rhinoise attention "what to draw" --model {place} --out attention',
        "evaluate": f"rhinoise evaluate {place}",
        "report": f"rhinoise report {place}",
    }
    if known.source is None or known.recipe is None:
        return said
    source, recipe = shlex.quote(known.source), known.recipe
    if not known.is_run:  # whoever has the folder alone has not its run
        return said | ({"again": known.facts["command"]} if known.facts.get("command") else {})
    said["inspect"] = f"rhinoise inspect {source} --size {recipe.size} --out inspected"
    said["from"] = f"rhinoise train {source} --from bundled --out {shlex.quote(f'{known.place}-from')}"
    said["again"] = _train(known, recipe, "")
    said["longer"] = _train(known, _budget(recipe, 2.0), "-longer")
    said["shorter"] = _train(known, _budget(recipe, 0.5), "-shorter")
    shares, pictures = recipe.shares, known.facts.get("pictures", 0) + known.facts.get("held_out", 0)
    more = min(SHARE * shares.autoencoder, shares.denoiser / 2)
    if more:
        wider = Shares(
            autoencoder=round(shares.autoencoder + more, 4),
            text=shares.text,
            denoiser=round(1 - shares.text - round(shares.autoencoder + more, 4), 6),
        )
        said["autoencoder"] = _train(known, replace(recipe, shares=wider), "-sharper")
    if pictures and CALIBRATED / pictures < 0.25:
        part = math.ceil(110 * CALIBRATED / pictures) / 100  # a tenth more: the split is by chance
        data = replace(recipe.data, held_out=part)
        said["held out"] = _train(known, replace(recipe, data=data), "-held-out")
    return said


def _budget(recipe: Recipe, times: float) -> Recipe:
    """The same with another budget."""
    if recipe.minutes is not None:
        return replace(recipe, minutes=recipe.minutes * times)
    assert recipe.images is not None
    return replace(recipe, images=math.ceil(recipe.images * times))


def _train(known: Kept, recipe: Recipe, ending: str) -> str:
    """The command that trains by this recipe, into a run of its own; where it has no name, what is known."""
    out = shlex.quote(f"{known.place}{ending}")
    named = None if known.start is not None else command(str(known.source), recipe)
    if named is not None:
        return named.removesuffix("RUN") + out
    words = ["rhinoise", "train", str(known.source)]
    if known.start is not None:
        words += ["--from", known.start]
    budget = ["--minutes", f"{recipe.minutes:g}"] if recipe.minutes else ["--images", str(recipe.images)]
    return f"{shlex.join([*words, *budget])} --out {out}"
