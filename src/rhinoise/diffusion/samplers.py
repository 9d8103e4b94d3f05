"""Samplers: from noise to a clean latent, level by level. Each is a generator of where it stands.

ddim           first order; on a flow schedule it is Euler                     Song et al. 2021
ddpm           the same with fresh noise in every step: ancestral              Ho et al. 2020
heun           second order, two network passes a step                         Karras et al. 2022, algorithm 1
dpmpp_2m       second order, one pass a step                                   Lu et al. 2022, algorithm 2
dpmpp_2m_sde   the same with fresh noise in every step                         Lu et al. 2022
unipc          the same, corrected by what the next pass says                  Zhao et al. 2023

All are the line `there.add_noise(x0, here.noise_in(x, x0))`; they differ in which x0 they put in. So they
run on every schedule alike, may start at pure noise (alpha = 0) and end at a clean latent (sigma = 0).
Levels come noisiest first, from `timesteps.levels`, on the device of `x`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from rhinoise.core.errors import ConfigError
from rhinoise.core.random import NoiseSource
from rhinoise.core.shapes import Latents
from rhinoise.diffusion.level import Denoise, NoiseLevel


@dataclass(frozen=True)
class Step:
    """Where a sampler stands: `x` at `level`, and the predicted clean latent `x0` that took it there."""

    x: Latents
    x0: Latents
    level: NoiseLevel


Sampler = Callable[..., Iterator[Step]]
"""(denoise, x, levels, *, noise) => a Step for every level but the first."""


def no_noise(step: int) -> Tensor:
    """The noise source of those who asked for none: it refuses."""
    raise ConfigError(f"step {step} needs fresh noise: give the sampler a noise source, or eta 0")


def _advance(
    x: Latents,
    x0: Latents,
    here: NoiseLevel,
    there: NoiseLevel,
    eta: float = 0.0,
    fresh: Latents | None = None,
) -> Latents:
    """One step along the predicted x0 (Song et al. 2021, eq. 12, for any alpha and sigma).

    The share of the noise that is replaced by `fresh` noise is what the posterior q(x_there | x_here, x0)
    leaves open, times `eta`.
    """
    eps = here.noise_in(x, x0)
    if fresh is not None:
        kept = (here.alpha * there.sigma) / (there.alpha * here.sigma)
        replaced = eta * (1 - kept**2).sqrt()
        eps = (1 - replaced**2).sqrt() * eps + replaced * fresh
    return there.add_noise(x0, eps)


def _half_log_snr_step(here: NoiseLevel, there: NoiseLevel) -> Float[Tensor, "#b 1 1 1"]:
    """The paper's h, the step in lambda = log(alpha / sigma)."""
    return (there.log_snr - here.log_snr) / 2


def ddim(
    denoise: Denoise,
    x: Latents,
    levels: Sequence[NoiseLevel],
    *,
    eta: float = 0.0,
    noise: NoiseSource = no_noise,
) -> Iterator[Step]:
    """DDIM (Song et al. 2021, eq. 12): `eta` 0 is deterministic, 1 is DDPM and Euler's ancestral sampler."""
    for i, (here, there) in enumerate(pairwise(levels)):
        x0 = denoise(x, here)
        x = _advance(x, x0, here, there, eta, noise(i) if eta else None)
        yield Step(x, x0, there)


def heun(
    denoise: Denoise, x: Latents, levels: Sequence[NoiseLevel], *, noise: NoiseSource = no_noise
) -> Iterator[Step]:
    """Heun's method (Karras et al. 2022, algorithm 1), as the trapezoid of dx = x0 dalpha + eps dsigma.

    Deterministic: `noise` is never drawn. The step to a clean latent stays first order, as in the paper.
    """
    for here, there in pairwise(levels):
        x0 = denoise(x, here)
        eps = here.noise_in(x, x0)
        ahead = there.add_noise(x0, eps)
        if not there.is_clean:
            x0_ahead = denoise(ahead, there)
            x0, eps = (x0 + x0_ahead) / 2, (eps + there.noise_in(ahead, x0_ahead)) / 2
            ahead = x + (there.alpha - here.alpha) * x0 + (there.sigma - here.sigma) * eps
        x = ahead
        yield Step(x, x0, there)


def _extrapolated(x0: Latents, old_x0: Latents, levels: Sequence[NoiseLevel]) -> Latents:
    """x0 in the middle of the coming step, on the line through the last two (Lu et al. 2022, algorithm 2).

    `levels` are the last one, this one and the next. From pure noise or to a clean latent the step in
    log-SNR has no end and no middle: there, x0 stays as it is.
    """
    before, here, there = levels
    part = _half_log_snr_step(here, there) / (2 * _half_log_snr_step(before, here))
    return x0 + torch.nan_to_num(part, nan=0.0, posinf=0.0) * (x0 - old_x0)


def dpmpp_2m(
    denoise: Denoise,
    x: Latents,
    levels: Sequence[NoiseLevel],
    *,
    eta: float = 0.0,
    noise: NoiseSource = no_noise,
) -> Iterator[Step]:
    """DPM-Solver++(2M) (Lu et al. 2022, algorithm 2); `eta` 1 is its SDE form, SDE-DPM-Solver++(2M)."""
    old_x0 = None
    for i, (here, there) in enumerate(pairwise(levels)):
        x0 = denoise(x, here)
        middle = x0 if old_x0 is None else _extrapolated(x0, old_x0, levels[i - 1 : i + 2])
        x = _advance(x, middle, here, there, eta, noise(i) if eta else None)
        old_x0 = x0
        yield Step(x, x0, there)


def _corrected(
    last_x0: Latents, x0: Latents, old_x0: Latents | None, levels: Sequence[NoiseLevel]
) -> Latents:
    """What `last_x0` should have been, now that `x0` at the end of its step is known (UniC, order 2).

    Zhao et al. 2023, section 3, solved for two points with B(h) = e^h - 1. `levels` are those of `old_x0`,
    `last_x0` and `x0`. In the second step there is no `old_x0`, and both ends of the first count the same.
    """
    if old_x0 is None:
        return (last_x0 + x0) / 2
    before, last, here = levels
    h = _half_log_snr_step(last, here)
    back = -_half_log_snr_step(before, last) / h
    b1 = -1 / torch.expm1(-h) - 1 / h
    b2 = -1 / torch.expm1(-h) - 2 * b1 / h
    weight = (b1 - b2) / (1 - back)
    return last_x0 + weight / back * (old_x0 - last_x0) + (b1 - weight) * (x0 - last_x0)


def unipc(
    denoise: Denoise, x: Latents, levels: Sequence[NoiseLevel], *, noise: NoiseSource = no_noise
) -> Iterator[Step]:
    """UniPC of order 2 (Zhao et al. 2023, with data prediction): `dpmpp_2m`, then corrected.

    Deterministic: `noise` is never drawn.
    """
    last_x, last_x0, old_x0 = x, None, None
    for i, (here, there) in enumerate(pairwise(levels)):
        x0 = denoise(x, here)
        middle = x0
        if last_x0 is not None:
            right_x0 = _corrected(last_x0, x0, old_x0, levels[max(i - 2, 0) : i + 1])
            x = _advance(last_x, right_x0, levels[i - 1], here)
            middle = _extrapolated(x0, last_x0, levels[i - 1 : i + 2])
        last_x, last_x0, old_x0 = x, x0, last_x0
        x = _advance(x, middle, here, there)
        yield Step(x, x0, there)


SAMPLERS: dict[str, Sampler] = {
    "ddim": ddim,
    "ddpm": partial(ddim, eta=1.0),
    "heun": heun,
    "dpmpp_2m": dpmpp_2m,
    "dpmpp_2m_sde": partial(dpmpp_2m, eta=1.0),
    "unipc": unipc,
}
