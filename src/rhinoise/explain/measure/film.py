"""The film of a generation: at every step what the denoiser saw, what it expected, what the caption changed.

A `Recorder` wraps what a sampler runs, and changes nothing of it; `develop` makes pictures and numbers of
what it kept.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from rhinoise.core.files import finite
from rhinoise.core.shapes import Images, Latents
from rhinoise.diffusion.forward import DECIBELS
from rhinoise.diffusion.guidance import DenoiseBoth
from rhinoise.diffusion.level import Denoise, NoiseLevel
from rhinoise.diffusion.samplers import Step
from rhinoise.explain.measure.aspects import ASPECTS
from rhinoise.explain.measure.evenly import evenly
from rhinoise.explain.measure.preview import Preview, fit_preview
from rhinoise.explain.measure.variance import rms

MOST_STILLS = 60
"""Steps that a film keeps at most, evenly from first to last: each is three latents of every picture."""
SETTLED_WITHIN = {"layout": 10.0, "colours": 5.0}
"""Aspect => how far (root mean square, of 255) from the last picture's it may be and count as settled."""
START_WEIGHT, START_SIDE = 0.01, 16
"""Of what a film begins with, in the fit of its preview: noise is alike everywhere, so a corner is enough."""


@dataclass(frozen=True)
class Still:
    """One step, of a batch: the denoiser saw `x` at `level` and answered `x0`."""

    step: int
    level: NoiseLevel
    x: Latents
    x0: Latents
    guidance: Latents | None
    """The predicted x0 with the caption less the one without; None where nothing was guided."""


class Recorder:
    """Keeps the given steps (from 1) of a sampler; a second look within a step (heun's) is not kept."""

    def __init__(self, keep: Collection[int]) -> None:
        self.keep = keep
        self.stills: list[Still] = []
        self._seen: tuple[NoiseLevel, Latents, Latents, Latents | None] | None = None
        self._guidance: Latents | None = None

    def around(self, denoise: Denoise) -> Denoise:
        """The same Denoise, watched."""

        def watched(x: Latents, level: NoiseLevel) -> Latents:
            self._guidance = None
            x0 = denoise(x, level)
            if self._seen is None:
                self._seen = level, x, x0, self._guidance
            return x0

        return watched

    def around_both(self, both: DenoiseBoth) -> DenoiseBoth:
        """The same two predictions, watched."""

        def watched(x: Latents, level: NoiseLevel) -> tuple[Latents, Latents]:
            captioned, free = both(x, level)
            self._guidance = captioned - free
            return captioned, free

        return watched

    def record(self, steps: Iterator[Step]) -> Iterator[Step]:
        """The same steps; those to keep are kept on the way."""
        for number, step in enumerate(steps, start=1):
            if number in self.keep and self._seen is not None:
                self.stills.append(Still(number, *self._seen))
            self._seen = None
            yield step


def kept_steps(total: int) -> list[int]:
    """The steps that a film of `total` keeps, first and last included."""
    return [1 + place for place in evenly(total, MOST_STILLS)]


@dataclass(frozen=True, kw_only=True)
class FilmStep:
    """A step in numbers."""

    step: int
    snr_db: float | None
    """Of what the denoiser saw; None is pure noise."""
    distance: float
    """From the expected picture to the last one: root mean square, of 255."""
    aspects: Mapping[str, float]
    """The same between their layouts, and between their colours."""
    guidance: float | None
    """RMS of what the caption changes in the predicted x0 (latent variance 1); None where unguided."""


@dataclass(frozen=True, kw_only=True)
class Film:
    """One picture's film; the pictures are previews, the last excepted."""

    noisy: Float[Tensor, "n 3 H W"]
    """What the denoiser saw, brought to variance 1, as pictures."""
    expected: Float[Tensor, "n 3 H W"]
    """What it expected to come of it."""
    guidance: Float[Tensor, "n h w"]
    """Root mean square over channels of what the caption changes, per latent; 0 where nothing was guided."""
    last: Float[Tensor, "1 3 H W"]
    """The decoder's own picture of where it ended."""
    steps: tuple[FilmStep, ...]
    total: int
    """Steps that the sampler made."""
    settled: Mapping[str, int]
    """Aspect => the step from which on it stays within SETTLED_WITHIN of the last picture's."""
    preview_psnr: float
    """How near the preview of the last latent is to the decoder's picture of it, in dB."""
    latents: Mapping[str, Tensor] = field(repr=False)
    """The data: x, x0, guidance "n c h w" and last "1 c h w"."""

    def bare(self) -> "Film":
        """The numbers alone, without pictures or data."""
        none = torch.zeros(0, 3, 1, 1)
        return replace(
            self, noisy=none, expected=none, guidance=none[:, 0], last=torch.zeros(1, 3, 1, 1), latents={}
        )


@torch.no_grad()
def develop(
    stills: Sequence[Still],
    index: int,
    latent: Float[Tensor, "1 c h w"],
    picture: Float[Tensor, "1 3 H W"],
    decode: Callable[[Latents], Images],
) -> Film:
    """The film of picture `index` of a batch.

    Args:
        stills: what a Recorder kept.
        index: which picture.
        latent: where its sampler ended.
        picture: what the decoder makes of that.
        decode: the decoder, called once, on a corner of what the film begins with.
    """
    x, x0 = (
        torch.stack([getattr(still, name)[index] for still in stills]).float().cpu() for name in ("x", "x0")
    )
    guidance = torch.stack(
        [
            torch.zeros_like(x0[0]) if still.guidance is None else still.guidance[index].cpu()
            for still in stills
        ]
    )
    scaled = x / torch.stack([still.level.std[0].cpu() for still in stills])
    latent, picture = latent.float().cpu(), picture.cpu()
    preview = _fitted(scaled[:1], latent, picture, decode)
    expected, last = preview(x0), preview(latent)
    apart = {name: rms(ASPECTS[name](expected) - ASPECTS[name](last)) for name in SETTLED_WITHIN}
    steps = tuple(
        FilmStep(
            step=still.step,
            snr_db=finite(DECIBELS * float(still.level.log_snr)),
            distance=distance,
            aspects={name: values[row] for name, values in apart.items()},
            guidance=None if still.guidance is None else float(guidance[row].square().mean().sqrt()),
        )
        for row, (still, distance) in enumerate(zip(stills, rms(expected - last), strict=True))
    )
    error = float(((last - picture) / 2).square().mean())
    return Film(
        noisy=preview(scaled),
        expected=expected,
        guidance=guidance.square().mean(dim=1).sqrt(),
        last=picture,
        steps=steps,
        total=stills[-1].step,
        settled={
            name: steps[settled_from(apart[name], within)].step for name, within in SETTLED_WITHIN.items()
        },
        preview_psnr=-10 * math.log10(max(error, 1e-10)),
        latents={"x": x, "x0": x0, "guidance": guidance, "last": latent},
    )


def settled_from(distances: Sequence[float], within: float) -> int:
    """The first place from which on no distance is above `within`; the last place where there is none."""
    outside = [place for place, distance in enumerate(distances) if distance > within]
    return min(outside[-1] + 1, len(distances) - 1) if outside else 0


def _fitted(
    start: Float[Tensor, "1 c h w"],
    latent: Float[Tensor, "1 c h w"],
    picture: Float[Tensor, "1 3 H W"],
    decode: Callable[[Latents], Images],
) -> Preview:
    corner = start[:, :, :START_SIDE, :START_SIDE]
    return fit_preview([(latent, picture, 1.0), (corner, decode(corner).cpu(), START_WEIGHT)])
