"""Where a model looks for each word while it draws, beside the picture that it draws without the word."""

import json
import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor

from rhinoise.core.backend import remarks
from rhinoise.core.errors import ConfigError
from rhinoise.core.files import finite, replacing, write_json
from rhinoise.core.images import to_pil
from rhinoise.core.shapes import Images
from rhinoise.diffusion.samplers import Step
from rhinoise.explain.measure.attention import (
    NO_WORD,
    Ablation,
    WordMaps,
    agreements,
    change,
    concentration,
    gathered,
    relative,
    watched,
)
from rhinoise.explain.measure.words import Word, labels, without, words_of
from rhinoise.explain.plots.attention import overlay, peak_of, shown_steps, steps_figure, words_figure
from rhinoise.explain.plots.style import save_figure
from rhinoise.nets.attention import refuse_blind
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.pipeline.request import GenerateRequest
from rhinoise.storage.provenance import write_png
from rhinoise.workflows.defaults import DEFAULT_MODEL
from rhinoise.workflows.devices import device_errors_told
from rhinoise.workflows.drawing.requests import followed, how, provenance, resolved, stems
from rhinoise.workflows.events import Event, Progress, Said, Wrote
from rhinoise.workflows.paths import check_targets, open_model, output_folder

PICTURE, FIGURE, STEPS = "picture.png", "attention.png", "steps.png"
NUMBERS, MAPS = "attention.json", "attention.safetensors"
OVERLAY = 256
"""Pixels a side that smaller pictures have as overlays, at least."""


@dataclass(frozen=True, kw_only=True)
class AttentionRequest:
    """What to draw with which model, and where to write what it looked at; None is the model's default."""

    prompt: str
    model: Path | str = DEFAULT_MODEL
    """A run, a model folder, or "bundled"."""
    out: Path = Path("attention")
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None
    sampler: str | None = None
    precision: str = "auto"


@device_errors_told("or choose a shorter prompt")
def attention(request: AttentionRequest) -> Generator[Event, None, None]:
    """Draw a prompt, and once more without each of its words; write figures, overlays and numbers.

    A RhinoiseError says what is wrong with the request, or that the model has no attention to words.
    """
    if all(word.is_sign for word in words_of(request.prompt, [])):
        raise ConfigError(NO_WORD)
    asked = GenerateRequest(
        prompt=request.prompt,
        seed=request.seed,
        steps=request.steps,
        guidance=request.guidance,
        sampler=request.sampler,
    )
    out = output_folder(request.out)
    model = open_model(request.model, request.precision)
    refuse_blind(model.denoiser.network)
    for remark in remarks({request.precision}, model.device):
        yield Said(remark)
    prompt = yield from _read(request.prompt, model)
    asked = resolved(replace(asked, prompt=prompt), model)
    words = words_of(prompt, model.text_encoder.pieces(prompt))
    yield from _told_of(words)
    names = labels(words)
    chosen = [place for place, word in enumerate(words) if word.places and not word.is_sign]
    own = stems([names[place] for place in chosen])
    overlays, lacking = ([out / f"{kind}-{name}.png" for name in own] for kind in ("overlay", "without"))
    check_targets([out / PICTURE, out / FIGURE, out / STEPS, *overlays, *lacking])

    rounds = len(chosen) + 2
    yield Said(
        f"drawing the picture, then without each of {len(chosen)} words, then from other noise: {how(asked)}"
    )
    steps, found = yield from watched_drawing(model, asked, words, rounds)
    image = model.finish(asked, steps[-1].x).cpu()
    dropped = []
    for place, index in enumerate(chosen, start=1):
        fewer = replace(asked, prompt=without(prompt, words[index]))
        dropped.append((yield from _drawn(model, fewer, image, place, rounds)))
    other = yield from _drawn(model, replace(asked, first=1), image, rounds - 1, rounds)

    about = provenance(asked, model, 0)
    write_png(to_pil(image)[0], out / PICTURE, **about)
    yield Wrote(out / PICTURE)
    peak, large = peak_of(found.mean[chosen]), _enlarged(image)
    for path, index in zip(overlays, chosen, strict=True):
        write_png(overlay(large, relative(found.mean[index]), peak), path, **about)
        yield Wrote(path)
    for path, each in zip(lacking, dropped, strict=True):
        write_png(to_pil(each.image)[0], path, **provenance(replace(asked, prompt=each.caption), model, 0))
        yield Wrote(path)
    save_figure(words_figure(prompt, names, chosen, found, image, dropped, other), out / FIGURE)
    yield Wrote(out / FIGURE)
    predicted = [model.decode(steps[step].x0).cpu() for step in shown_steps(len(steps))]
    save_figure(steps_figure(prompt, names, chosen, found, predicted), out / STEPS)
    yield Wrote(out / STEPS)
    changes = torch.stack([each.change for each in dropped])
    fits = agreements(found.mean[chosen], changes)
    numbers = {
        "request": about["request"],
        "model_hash": about["model_hash"],
        "cut": request.prompt[len(prompt) :],
    }
    found_numbers = _numbers(names, chosen, found, dropped, other, fits)
    for path, index in zip(overlays, chosen, strict=True):
        found_numbers["words"][index]["overlay"] = path.name
    write_json(out / NUMBERS, numbers | found_numbers)
    yield Wrote(out / NUMBERS)
    _save_maps(out / MAPS, names, chosen, found, changes)
    yield Wrote(out / MAPS)
    yield Said(_summary([names[place] for place in chosen], dropped, other, fits))


def _read(prompt: str, model: LatentDiffusion) -> Generator[Event, None, str]:
    """The prompt as far as the model's context reaches, whole words of it; what is cut is told."""
    words = words_of(prompt, model.text_encoder.pieces(prompt))
    whole = [word for word in words if len(word.places) == len(word.pieces)]
    if len(whole) == len(words):
        return prompt
    if not whole:
        raise ConfigError(
            f"the first word alone has more pieces than the {model.text_encoder.context} tokens that this "
            "model reads: give shorter words"
        )
    read = prompt[: whole[-1].end]
    yield Said(
        f"this model reads {model.text_encoder.context} tokens, start and end among them: "
        f"“{prompt[len(read) :].strip()}” is cut"
    )
    return read


def _told_of(words: Sequence[Word]) -> Generator[Event, None, None]:
    """What is special about how the tokenizer reads the words."""
    unknown = [f"“{word.text}”" for word in words if not word.known]
    if unknown:
        yield Said(
            f"the tokenizer knows nothing like {', '.join(unknown)}: all such words are one to the model"
        )
    split = [f"“{word.text}” in {len(word.pieces)}" for word in words if len(word.pieces) > 1]
    if split:
        yield Said(f"words that the model reads in pieces, whose maps are summed: {', '.join(split)}")


def watched_drawing(
    model: LatentDiffusion,
    asked: GenerateRequest,
    words: Sequence[Word],
    rounds: int = 1,
    stage: str = "drawing",
) -> Generator[Event, None, tuple[list[Step], WordMaps]]:
    """Draw, told step by step as the first of `rounds`; where it stood and where it looked."""
    levels = model.levels(asked)[:-1]
    steps, maps = [], []
    for step, looked in watched(model, asked, words):
        steps.append(step)
        maps.append(looked)
        yield Progress(stage=stage, done=len(steps), total=len(levels) * rounds)
    noise = torch.cat([(level.sigma / (level.alpha + level.sigma)).flatten() for level in levels])
    return steps, gathered(words, noise.cpu(), maps)


def _drawn(
    model: LatentDiffusion, asked: GenerateRequest, image: Images, place: int, rounds: int
) -> Generator[Event, None, Ablation]:
    """Another drawing, and how far it is from the picture."""
    latents = yield from followed(model.steps(asked), len(model.levels(asked)) - 1, place, rounds)
    drawn = model.finish(asked, latents).cpu()
    return Ablation(caption=asked.prompt, image=drawn, change=change(image, drawn))


def _numbers(
    names: Sequence[str],
    chosen: Sequence[int],
    found: WordMaps,
    dropped: Sequence[Ablation],
    other: Ablation,
    fits: Float[Tensor, "n n"],
) -> dict[str, Any]:
    """All numbers of the figures: shares of attention sum to 1, differences are of 255."""
    focus, by_step = concentration(found.mean), concentration(found.maps)
    ablations = {
        index: {
            "prompt": each.caption,
            "rms": each.rms,
            "of_other_noise": finite(each.rms / other.rms if other.rms else math.nan),
            "agreement": {names[i]: finite(fit) for i, fit in zip(chosen, row, strict=True)},
        }
        for index, each, row in zip(chosen, dropped, fits.tolist(), strict=True)
    }
    return {
        "words": [
            {
                "word": name,
                "begin": word.begin,
                "end": word.end,
                "pieces": word.pieces,
                "known": word.known,
                "punctuation": word.is_sign,
                "share": float(found.totals[:, index].mean()),
                "share_by_step": found.totals[:, index].tolist(),
                "concentration": finite(float(focus[index])),
                "concentration_by_step": [finite(value) for value in by_step[:, index].tolist()],
                "without": ablations.get(index),
            }
            for index, (name, word) in enumerate(zip(names, found.words, strict=True))
        ],
        "noise_by_step": found.noise.tolist(),
        "start_token_by_step": found.before.tolist(),
        "end_token_and_padding_by_step": found.after.tolist(),
        "picture_by_step": found.picture.tolist(),
        "other_noise": {"rms": other.rms},
        "resolutions": [list(size) for size in found.by_size],
    }


def _save_maps(
    path: Path, names: Sequence[str], chosen: Sequence[int], found: WordMaps, changes: Float[Tensor, "n H W"]
) -> None:
    """Write maps "step word row column", those of each resolution, and changes "word row column"."""
    tensors = {f"maps_{height}x{width}": maps for (height, width), maps in found.by_size.items()}
    about = {"words": names, "changed": [names[index] for index in chosen]}
    with replacing(path) as temporary:
        save_file(
            {"maps": found.maps, "changes": changes, **tensors},
            temporary,
            metadata={key: json.dumps(value, ensure_ascii=False) for key, value in about.items()},
        )


def _summary(
    names: Sequence[str], dropped: Sequence[Ablation], other: Ablation, fits: Float[Tensor, "n n"]
) -> str:
    """Which word changed most, and whether the changes lie where the model looked."""
    rms = [each.rms for each in dropped]
    most = rms.index(max(rms))
    own = int((fits.nan_to_num(-1).argmax(1) == torch.arange(len(names))).sum())
    return (
        f"leaving “{names[most]}” out changes most, {rms[most]:.0f} of 255 (other noise: {other.rms:.0f}); "
        f"for {own} of {len(names)} words the change fits the word's own map best"
    )


def _enlarged(image: Images) -> Float[Tensor, "1 3 _ _"]:
    factor = -(-OVERLAY // image.shape[3])
    return F.interpolate(image, scale_factor=factor, mode="nearest")
