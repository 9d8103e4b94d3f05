"""What a network is asked to predict, and how its answer is read as x0: a line each.

epsilon   the noise                              Ho et al. 2020, eq. 14
sample    the clean latent                       Ho et al. 2020, section 3.2
v         alpha * eps - sigma * x0               Salimans & Ho 2022, appendix D
flow      eps - x0, the velocity dx/dt           Lipman et al. 2023; Liu et al. 2023
edm       the preconditioned residual            Karras et al. 2022, eq. 7 and table 1

The network's clock reads `level.time` in every kind; an EDM schedule sets it to c_noise itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from rhinoise.core.shapes import Latents
from rhinoise.diffusion.level import NoiseLevel

EDM_SIGMA_DATA = 0.5
"""The standard deviation that Karras et al. 2022 assume of the data.

It stays 0.5 for diffusers' EDM schedulers; only the preconditioning depends on it, not correctness."""


@dataclass(frozen=True)
class Prediction:
    """What the network sees, what it should answer, and how its answer is read."""

    input: Callable[[NoiseLevel, Latents], Latents]
    """(level, x) => what the network sees."""
    target: Callable[[NoiseLevel, Latents, Latents], Latents]
    """(level, x0, eps) => what the network should answer."""
    x0: Callable[[NoiseLevel, Latents, Latents], Latents]
    """(level, x, answer) => the predicted clean latent."""


def _unchanged(level: NoiseLevel, x: Latents) -> Latents:
    return x


def _c_skip(level: NoiseLevel) -> Float[Tensor, "#b 1 1 1"]:
    return EDM_SIGMA_DATA**2 / (level.sigma**2 + EDM_SIGMA_DATA**2)


def _c_out(level: NoiseLevel) -> Float[Tensor, "#b 1 1 1"]:
    return level.sigma * EDM_SIGMA_DATA / (level.sigma**2 + EDM_SIGMA_DATA**2).sqrt()


def _c_in(level: NoiseLevel) -> Float[Tensor, "#b 1 1 1"]:
    return 1 / (level.sigma**2 + EDM_SIGMA_DATA**2).sqrt()


PREDICTIONS: dict[str, Prediction] = {
    "epsilon": Prediction(
        input=_unchanged,
        target=lambda level, x0, eps: eps,
        x0=lambda level, x, answer: (x - level.sigma * answer) / level.alpha,
    ),
    "sample": Prediction(
        input=_unchanged,
        target=lambda level, x0, eps: x0,
        x0=lambda level, x, answer: answer,
    ),
    "v": Prediction(
        input=_unchanged,
        target=lambda level, x0, eps: level.alpha * eps - level.sigma * x0,
        x0=lambda level, x, answer: (
            (level.alpha * x - level.sigma * answer) / (level.alpha**2 + level.sigma**2)
        ),
    ),
    "flow": Prediction(
        input=_unchanged,
        target=lambda level, x0, eps: eps - x0,
        x0=lambda level, x, answer: (x - level.sigma * answer) / (level.alpha + level.sigma),
    ),
    "edm": Prediction(
        input=lambda level, x: _c_in(level) * x,
        target=lambda level, x0, eps: (x0 - _c_skip(level) * level.add_noise(x0, eps)) / _c_out(level),
        x0=lambda level, x, answer: _c_skip(level) * x + _c_out(level) * answer,
    ),
}
