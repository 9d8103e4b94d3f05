"""The objective: which noise levels a network is trained at, and how much each of its errors counts.

Time densities
    uniform        every t the same                     Ho et al. 2020, algorithm 1
    logit_normal   logit(t) is normal                   Esser et al. 2024, eq. 19
    log_normal     log(sigma / alpha) is normal         Karras et al. 2022, table 1

Weights
    uniform        1 on the network's own answer        Ho et al. 2020, eq. 14
    min_snr        min(SNR, gamma) on x0                Hang et al. 2023
    edm            (s^2 + d^2) / (s d)^2 on x0          Karras et al. 2022, table 1

On a flow schedule without shift, logit_normal and log_normal are the same.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rhinoise.core.errors import ConfigError, UnknownNameError
from rhinoise.core.shapes import Latents, Times
from rhinoise.diffusion.level import NoiseLevel, Schedule
from rhinoise.diffusion.predictions import EDM_SIGMA_DATA, Prediction
from rhinoise.diffusion.schedules import LEAST
from rhinoise.diffusion.timesteps import time_at

Weight = Float[Tensor, "#b 1 1 1"]

TINY = 1e-12
"""Keeps the weights finite at pure noise, where the epsilon reading of x0 has no value."""


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """Where a network is trained, and what counts.

    Raises:
        UnknownNameError: no density or weight has this name.
        ConfigError: `std` or `gamma` is not above 0.
    """

    density: str = "uniform"
    """A name in DENSITIES."""
    mean: float = 0.0
    """Of the logit or the logarithm; above 0 is more noise. For EDM -1.2."""
    std: float = 1.0
    """Of the logit or the logarithm. For EDM 1.2."""
    weight: str = "uniform"
    """A name in WEIGHTS."""
    gamma: float = 5.0
    """Where min-SNR cuts: the most that an error of x0 counts."""

    def __post_init__(self) -> None:
        if self.density not in DENSITIES:
            raise UnknownNameError("time density", self.density, DENSITIES)
        if self.weight not in WEIGHTS:
            raise UnknownNameError("loss weight", self.weight, WEIGHTS)
        for name in ("std", "gamma"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} of the objective is {getattr(self, name)}; it must be above 0")


def _normal(config: ObjectiveConfig, uniforms: Times) -> Times:
    # Away from 0 and 1, where a normal number would be infinite.
    return config.mean + config.std * torch.special.ndtri(uniforms.clamp(1e-9, 1 - 1e-9))


def _logit_normal(config: ObjectiveConfig, schedule: Schedule, uniforms: Times) -> Times:
    return _normal(config, uniforms).sigmoid()


def _log_normal(config: ObjectiveConfig, schedule: Schedule, uniforms: Times) -> Times:
    return time_at(schedule, _normal(config, uniforms).exp())


DENSITIES: dict[str, Callable[[ObjectiveConfig, Schedule, Times], Times]] = {
    "uniform": lambda config, schedule, uniforms: LEAST + (1 - LEAST) * uniforms,
    "logit_normal": _logit_normal,
    "log_normal": _log_normal,
}
"""(config, schedule, uniform numbers in float64) => times."""


def sample_times(config: ObjectiveConfig, schedule: Schedule, uniforms: Times) -> Times:
    """Times to train at, in [1/1000, 1] and float32, as a monotone function of `uniforms` in [0, 1].

    Randomness is the argument: uniforms that are spread evenly give times that are spread evenly.
    """
    times = DENSITIES[config.density](config, schedule, uniforms.cpu().double())
    return times.clamp(LEAST, 1).to(uniforms.device, torch.float32)


def gain(prediction: Prediction, level: NoiseLevel) -> Weight:
    """How far the answer moves when (x0, eps) moves by (sigma, -alpha), which leaves x where it is.

    So an error e of x0 is an error `gain * e / sigma` of the answer: alpha e / sigma for epsilon, e for
    sample, e / sigma for v, (alpha + sigma) e / sigma for flow. Read off the prediction itself.
    """
    return prediction.target(level, level.sigma, -level.alpha)


def _min_snr(prediction: Prediction, level: NoiseLevel, gamma: float) -> Weight:
    """min(SNR, gamma) on the squared error of x0."""
    alpha2, gain2 = (value.square().clamp(min=TINY) for value in (level.alpha, gain(prediction, level)))
    return torch.minimum(alpha2, gamma * level.sigma**2) / gain2


def _edm(prediction: Prediction, level: NoiseLevel, gamma: float) -> Weight:
    """(s^2 + d^2) / (s d)^2 on the squared error of x0, with s = sigma / alpha and d EDM's sigma_data."""
    gain2 = gain(prediction, level).square().clamp(min=TINY)
    return (level.sigma**2 / EDM_SIGMA_DATA**2 + level.alpha**2) / gain2


WEIGHTS: dict[str, Callable[[Prediction, NoiseLevel, float], Weight]] = {
    "uniform": lambda prediction, level, gamma: torch.ones_like(level.sigma),
    "min_snr": _min_snr,
    "edm": _edm,
}
"""(prediction, level, gamma) => the weight of the squared error of the network's answer."""


def loss_weight(config: ObjectiveConfig, prediction: Prediction, level: NoiseLevel) -> Weight:
    """What the squared error of the network's answer counts at this level."""
    return WEIGHTS[config.weight](prediction, level, config.gamma)


def loss(
    prediction: Prediction, weight: Weight, level: NoiseLevel, x0: Latents, eps: Latents, answer: Latents
) -> Float[Tensor, "b"]:
    """The weighted mean squared error of the network's answer, one number per picture, in float32.

    Args:
        prediction: what was to be answered.
        weight: from `loss_weight`.
        level: the level at which `eps` was added to `x0`.
        x0: true clean latents.
        eps: the true noise.
        answer: what the network said to `prediction.input(level, level.add_noise(x0, eps))`.
    """
    target = prediction.target(level, x0, eps)
    return (weight * (answer.float() - target.float()) ** 2).mean(dim=(1, 2, 3))
