"""The replica meter of a model: its training pictures looked up once and kept, and what is found in words."""

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor, nn

from rhinoise.core.backend import channels_last, float_type
from rhinoise.core.config import to_json
from rhinoise.core.errors import DataError
from rhinoise.core.files import cache_folder, digest, write_json
from rhinoise.core.images import from_uint8, to_tensor, to_uint8
from rhinoise.core.random import generator
from rhinoise.core.shapes import Images
from rhinoise.data.dataset import Example
from rhinoise.data.latents import encoded
from rhinoise.evaluation.memorisation import (
    CONFIDENCE,
    LEAST,
    PIXELS,
    SHARES,
    Block,
    Calibration,
    Finding,
    Match,
    Meter,
    View,
    calibrated,
    index,
    matched,
    rates,
    score,
)
from rhinoise.evaluation.spaces import Space, open_space
from rhinoise.explain.plots.replicas import Near, Pair, replica_figure
from rhinoise.explain.plots.style import save_figure
from rhinoise.nets.fingerprint import fingerprint
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.workflows.events import Event, Progress, Said, Wrote
from rhinoise.workflows.paths import find_model
from rhinoise.workflows.pictures import Pictures, read_pictures
from rhinoise.workflows.scoring.scores import Replicas
from rhinoise.workflows.scoring.trained import trained_by

UNKNOWN = "not calibrated"
"""Said in a label's place where held-out pictures are too few to tell."""
AT_A_TIME = 128
"""Pictures that are looked up together."""
SHOWN = 24
"""Pictures in the figure, at most: those of the lowest scores."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """A drawn picture, what was found of it, and that in words, as plain JSON values and to be drawn."""

    finding: Finding
    told: str
    record: dict[str, Any]
    pair: Pair


@dataclass(frozen=True, kw_only=True)
class Checker:
    """A meter, and the pictures that its rows are."""

    meter: Meter
    pictures: Pictures
    rows: Int[np.ndarray, "n"]
    """Which pictures the meter's rows are."""

    def looks(self, prompt: str, images: Sequence[Image.Image]) -> list[Look]:
        """What is found of the pictures that were drawn for a prompt."""
        batch = to_tensor(images)
        found = self.meter(batch)
        return [self._look(prompt, image[None], one) for image, one in zip(batch, found, strict=True)]

    def keep(
        self, names: Sequence[str], looks: Sequence[Look], figure: Path, numbers: Path
    ) -> Generator[Event, None, None]:
        """Sum up, draw the pairs that are nearest, and write all numbers."""
        found = rates([look.finding.label for look in looks], [look.finding.score for look in looks])
        if found.labels:
            counts = ", ".join(
                f"{round(share * len(looks))} {label}" for label, share in found.labels.items()
            )
            yield Said(f"of {len(looks)}: {counts}")
        some = sorted(looks, key=lambda look: look.finding.score)[:SHOWN]
        title = "Drawn pictures and their nearest training pictures"
        if len(some) < len(looks):
            title = f"The {len(some)} of {len(looks)} drawn pictures that are nearest to training pictures"
        save_figure(replica_figure([look.pair for look in some], title=title), figure)
        yield Wrote(figure)
        pictures = {
            name: {"prompt": look.pair.prompt} | look.record for name, look in zip(names, looks, strict=True)
        }
        calibration = to_json(self.meter.calibration)
        write_json(numbers, {"calibration": calibration, "rates": to_json(found), "pictures": pictures})
        yield Wrote(numbers)

    def _look(self, prompt: str, image: Images, finding: Finding) -> Look:
        label, matches = finding.label or UNKNOWN, finding.matches
        examples = {view: self._example(match) for view, match in matches.items()}
        view = min(matches, key=lambda view: matches[view].ratio)
        nearest = {
            view: {
                "name": examples[view].name,
                "caption": examples[view].captions[0],
                "distance": match.distance,
                "ratio": match.ratio,
            }
            for view, match in matches.items()
        }
        near = {
            view: Near(image=self._image(match), caption=examples[view].captions[0], ratio=match.ratio)
            for view, match in matches.items()
        }
        own = examples[view]
        return Look(
            finding=finding,
            told=f"{label}, ratio {finding.score:.2f}, nearest to {own.name}: {own.captions[0]}",
            record={"label": label, "ratio": finding.score, "nearest": nearest},
            pair=Pair(prompt=prompt, drawn=image, label=label, score=finding.score, nearest=near),
        )

    def _example(self, match: Match) -> Example:
        return self.pictures.prepared.dataset.examples[self.rows[match.row]]

    def _image(self, match: Match) -> Images:
        return self.pictures.prepared.images([int(self.rows[match.row])])


def replica_rates(checker: Checker, sets: Mapping[str, Images]) -> Generator[Event, None, Replicas]:
    """How many of each set of drawn pictures, by what they were drawn for, are replicas."""
    total, began, found = sum(map(len, sets.values())), time.monotonic(), {}
    yield Said(f"looking for replicas among {total} pictures")
    for what, images in sets.items():
        findings: list[Finding] = []
        # In bytes, as they are saved.
        for part in from_uint8(to_uint8(images)).split(AT_A_TIME):
            findings += checker.meter(part)
            yield Progress(stage=f"replicas, {what}", done=len(findings), total=len(images), unit="picture")
        found[what] = rates([one.label for one in findings], [one.score for one in findings])
    return Replicas(
        views=tuple(view.name for view in checker.meter.views),
        training_pictures=len(checker.rows),
        calibration=checker.meter.calibration,
        rates=found,
        seconds_each=(time.monotonic() - began) / max(1, total),
    )


# --- made once, and kept


def checker_for(
    model: LatentDiffusion, name: Path | str, data: str | None
) -> Generator[Event, None, Checker]:
    """The meter of the model of that name; DataError or ConfigError when its pictures are not at hand."""
    place = find_model(name)
    recipe, source = trained_by(place, model, data)
    try:
        pictures = yield from read_pictures(source, recipe)
    except DataError as error:
        raise DataError(f"--check needs the training pictures, and {error}; or say --data FOLDER") from error
    if not is_trained_on(model, pictures):
        yield Said("these are not the very pictures and captions that the model was trained on")
    return (yield from open_checker(model, pictures, open_space()))


def is_trained_on(model: LatentDiffusion, pictures: Pictures) -> bool:
    """Whether these are a model's training pictures and captions, as far as it says."""
    here = digest(pictures.prepared.key, *pictures.captions.rows)
    return model.facts.get("data", {}).get("digest", here) == here


def open_checker(model: LatentDiffusion, pictures: Pictures, space: Space) -> Generator[Event, None, Checker]:
    """The meter of a model and its data set, from the cache where it is there; what it is worth is said."""
    views = (
        PIXELS,
        View(
            name="latents",
            key=f"latents {fingerprint(model.parts.autoencoder)}",
            look=lambda images: model.encode(images).flatten(1).cpu(),
        ),
        features_view(space),
    )
    checker = yield from checker_of(model, pictures, views)
    yield Said(worth(checker.meter.calibration))
    return checker


def checker_of(
    model: LatentDiffusion, pictures: Pictures, views: tuple[View, ...]
) -> Generator[Event, None, Checker]:
    """The meter of these views, calibrated on the pictures that are held out."""
    if model.facts.get("started_from"):
        yield Said("the model began as another one, whose training pictures are not looked at here")
    rows = distinct(pictures, pictures.train)
    indexes: dict[str, list[Block]] = {}
    for view in views:
        indexes[view.name] = yield from _indexed(view, pictures, rows)
    first, second = halves(distinct(pictures, pictures.held_out))
    scores = yield from _scores(views, indexes, pictures, rows, np.concatenate([first, second]))
    calibration = calibrated(scores[: len(first)], scores[len(first) :])
    meter = Meter(views=views, indexes=indexes, calibration=calibration)
    return Checker(meter=meter, pictures=pictures, rows=rows)


def worth(calibration: Calibration) -> str:
    """How far the labels can be trusted, in a sentence."""
    used, tested = calibration.pictures, calibration.tested
    if used < LEAST:
        return (
            f"replicas: not calibrated, as only {used + tested.pictures} pictures are held out: it takes "
            f"{2 * LEAST}, half of them to be {CONFIDENCE:.0%} sure what {SHARES['replica']:.0%} of unseen "
            f"pictures score, and half to test it"
        )
    if not calibration.trusted:
        return "replicas: not calibrated, as held-out pictures have exact copies among the training pictures"
    return (
        f"replicas: calibrated on {used} held-out pictures; of the other {tested.pictures}, which no model "
        f"has seen, {tested.labels['replica']:.1%} pass for replicas"
    )


def features_view(space: Space) -> View:
    """Pictures as a feature space sees them, in bf16 where the processor has it.

    Features are most of what the meter costs, and bf16 is three times as fast (50 instead of 17 pictures a
    second on one core). It moves them by 2 % of their length.
    """
    dtype = float_type("auto", torch.device("cpu"))
    if isinstance(space, nn.Module):
        space = channels_last(space)

    @torch.no_grad()
    def look(images: Images) -> Float[Tensor, "b f"]:
        with torch.autocast("cpu", dtype, enabled=dtype is not torch.float32):
            return space(images.contiguous(memory_format=torch.channels_last)).float()

    return View(name="features", key=f"features {space.name} {dtype}", look=look)


def distinct(pictures: Pictures, rows: Int[np.ndarray, "n"]) -> Int[np.ndarray, "m"]:
    """These pictures, of copies the first: beside a hundred of its own, none would be near."""
    examples = pictures.prepared.dataset.examples
    first = {examples[row].digest: row for row in rows[::-1]}
    return np.array(sorted(first.values()), dtype=np.int64)


def halves(held_out: Int[np.ndarray, "k"]) -> tuple[Int[np.ndarray, "a"], Int[np.ndarray, "b"]]:
    """Held-out pictures, to calibrate with and to test on; by chance, the same at every call."""
    order = torch.randperm(len(held_out), generator=generator("replicas")).numpy()
    return held_out[order[::2]], held_out[order[1::2]]


def _indexed(
    view: View, pictures: Pictures, rows: Int[np.ndarray, "n"]
) -> Generator[Event, None, list[Block]]:
    """The vectors of pictures, block by block."""
    found: list[Block] = []
    for block in index(view, pictures.prepared, rows, cache_folder() / "replicas"):
        found.append(block)
        done = sum(map(len, found))
        yield Progress(stage=f"{view.name} looked at", done=done, total=len(rows), unit="picture")
    return found


def _scores(
    views: Sequence[View],
    indexes: dict[str, list[Block]],
    pictures: Pictures,
    train: Int[np.ndarray, "n"],
    held_out: Int[np.ndarray, "k"],
) -> Generator[Event, None, list[float]]:
    """What held-out pictures score, kept."""
    vectors: dict[str, Tensor] = {}
    for view in views:
        blocks = yield from _indexed(view, pictures, held_out)
        vectors[view.name] = torch.from_numpy(np.concatenate(blocks or [np.empty((0, 1))])).float()
    key = digest(
        "scores",
        *(view.key for view in views),
        pictures.prepared.key,
        train.tobytes(),
        held_out.tobytes(),
    )
    found = (np.array([score(matches)]) for matches in matched(vectors, indexes))
    kept = encoded(cache_folder() / "replicas", key, len(held_out), ({"scores": value} for value in found))
    return kept["scores"].tolist() if len(held_out) else []
