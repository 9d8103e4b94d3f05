"""Schedules: how a picture turns to noise as t goes from 0 (clean) to 1 (noise).

linear          betas rise linearly                               Ho et al. 2020, section 4
scaled_linear   the roots of the betas rise linearly              Rombach et al. 2022
cosine          alpha_bar is a squared cosine, betas capped       Nichol & Dhariwal 2021, eq. 17
sigmoid         betas rise along a sigmoid                        Xu et al. 2022 (GeoDiff)
flow            straight: alpha = 1 - sigma, with a shift         Liu et al. 2023; Esser et al. 2024, eq. 23
edm             variance exploding: alpha = 1, sigma to 80        Karras et al. 2022, eq. 5

The first four are variance preserving, alpha^2 + sigma^2 = 1, and were defined for 1000 whole steps:
step i is t = (i + 1) / 1000 here, and alpha is interpolated between the steps. (In alpha, not in its
logarithm, which has no value at the end of a schedule with zero terminal SNR.) The clock reads what stock
diffusers schedulers give the network: i = 1000 t - 1; 1000 sigma for flow; log(sigma) / 4 for edm.

Everything is computed in float64 on the CPU, so that both ends are exact, and returned in the float type
and on the device of t.
"""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

from rhinoise.core.errors import ConfigError, UnknownNameError
from rhinoise.core.shapes import Times
from rhinoise.diffusion.level import NoiseLevel, Schedule

STEPS = 1000
"""The number of whole steps that variance-preserving schedules and diffusers count in."""

LEAST = 1 / STEPS
"""The least time a network meets: below it there is nothing left to learn, at 0 nothing to predict."""


def _level(like: Times, alpha: Tensor, sigma: Tensor, time: Tensor) -> NoiseLevel:
    alpha, sigma, time = (value.to(like) for value in (alpha, sigma, time))
    return NoiseLevel(alpha=alpha[:, None, None, None], sigma=sigma[:, None, None, None], time=time)


def _variance_preserving(betas: Float[Tensor, "n"], zero_terminal_snr: bool) -> Schedule:
    """The schedule whose step i keeps sqrt(1 - betas[i]) of the picture; betas are float64.

    With `zero_terminal_snr` the alphas are shifted and scaled so that the first step stays and the last
    is pure noise (Lin et al. 2023, algorithm 1).
    """
    alphas = (1 - betas).cumprod(0).sqrt()
    if zero_terminal_snr:
        alphas = (alphas - alphas[-1]) * alphas[0] / (alphas[0] - alphas[-1])
    nodes = torch.cat([torch.ones(1, dtype=torch.float64), alphas])  # node 0 is the clean picture

    def schedule(t: Times) -> NoiseLevel:
        position = t.detach().cpu().double() * STEPS
        below = position.floor().long().clamp(0, STEPS - 1)
        alpha = torch.lerp(nodes[below], nodes[below + 1], position - below)
        return _level(t, alpha, (1 - alpha**2).sqrt(), position - 1)

    return schedule


def linear(*, beta_start: float = 1e-4, beta_end: float = 0.02, zero_terminal_snr: bool = False) -> Schedule:
    """Betas that rise linearly (Ho et al. 2020, section 4)."""
    betas = torch.linspace(beta_start, beta_end, STEPS, dtype=torch.float64)
    return _variance_preserving(betas, zero_terminal_snr)


def scaled_linear(
    *, beta_start: float = 0.00085, beta_end: float = 0.012, zero_terminal_snr: bool = False
) -> Schedule:
    """Betas whose square roots rise linearly; the defaults are Stable Diffusion's."""
    roots = torch.linspace(beta_start**0.5, beta_end**0.5, STEPS, dtype=torch.float64)
    return _variance_preserving(roots**2, zero_terminal_snr)


def cosine(*, zero_terminal_snr: bool = False) -> Schedule:
    """alpha_bar falls as cos^2 with offset 0.008, betas at most 0.999 (Nichol & Dhariwal 2021, eq. 17)."""
    t = torch.linspace(0, 1, STEPS + 1, dtype=torch.float64)
    alpha_bar = torch.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2
    betas = (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=0.999)
    return _variance_preserving(betas, zero_terminal_snr)


def sigmoid(*, beta_start: float = 1e-4, beta_end: float = 0.02, zero_terminal_snr: bool = False) -> Schedule:
    """Betas that rise along the sigmoid between -6 and 6 (Xu et al. 2022)."""
    rise = torch.linspace(-6, 6, STEPS, dtype=torch.float64).sigmoid()
    return _variance_preserving(beta_start + (beta_end - beta_start) * rise, zero_terminal_snr)


def flow(*, shift: float = 1.0) -> Schedule:
    """The straight path alpha = 1 - sigma; `shift` multiplies sigma / alpha (Esser et al. 2024, eq. 23)."""

    def schedule(t: Times) -> NoiseLevel:
        t64 = t.detach().cpu().double()
        sigma = shift * t64 / (1 + (shift - 1) * t64)
        return _level(t, 1 - sigma, sigma, STEPS * sigma)

    return schedule


def edm(*, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0) -> Schedule:
    """alpha = 1 and sigma^(1/rho) linear in t from `sigma_min` to `sigma_max` (Karras et al. 2022, eq. 5).

    `sigma_min` is reached at t = 1/1000, where variance-preserving schedules have their first step; from
    there sigma falls linearly to 0 at t = 0.
    """
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)

    def schedule(t: Times) -> NoiseLevel:
        t64 = t.detach().cpu().double()
        along = (t64 - LEAST) / (1 - LEAST)
        sigma = torch.where(
            t64 >= LEAST,
            torch.lerp(along.new_tensor(low), along.new_tensor(high), along) ** rho,
            sigma_min * t64 / LEAST,
        )
        return _level(t, torch.ones_like(sigma), sigma, sigma.log() / 4)

    return schedule


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "linear": linear,
    "scaled_linear": scaled_linear,
    "cosine": cosine,
    "sigmoid": sigmoid,
    "flow": flow,
    "edm": edm,
}


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """A schedule by name, with the settings that it takes; None is the schedule's own default.

    Raises:
        UnknownNameError: no schedule has this name.
        ConfigError: a setting is given that the named schedule does not take, or is out of range.
    """

    name: str
    zero_terminal_snr: bool | None = None
    beta_start: float | None = None
    beta_end: float | None = None
    shift: float | None = None
    sigma_min: float | None = None
    sigma_max: float | None = None
    rho: float | None = None

    def __post_init__(self) -> None:
        if self.name not in SCHEDULES:
            raise UnknownNameError("schedule", self.name, SCHEDULES)
        takes = inspect.signature(SCHEDULES[self.name]).parameters
        for setting, value in self._given().items():
            if setting not in takes:
                raise ConfigError(
                    f"the schedule '{self.name}' has no setting '{setting}', only {', '.join(takes)}"
                )
            if setting != "zero_terminal_snr" and value <= 0:
                raise ConfigError(f"{setting} of the schedule '{self.name}' is {value}; it must be above 0")

    def build(self) -> Schedule:
        """The schedule: times t in [0, 1] => NoiseLevel."""
        return SCHEDULES[self.name](**self._given())

    def _given(self) -> dict[str, bool | float]:
        settings = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "name"}
        return {setting: value for setting, value in settings.items() if value is not None}
