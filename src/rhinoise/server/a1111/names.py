"""AUTOMATIC1111's names of samplers and schedulers => ours. Only what has a true counterpart is here."""

from collections.abc import Sequence
from dataclasses import dataclass

from rhinoise.core.errors import UnknownNameError


@dataclass(frozen=True)
class Named:
    """A sampler or scheduler."""

    name: str
    ours: str | None
    """None: the model's own."""
    aliases: tuple[str, ...] = ()


SAMPLERS = (
    Named("Euler a", "ddpm", ("k_euler_a", "k_euler_ancestral", "ddpm")),
    Named("Euler", "ddim", ("k_euler",)),
    Named("Heun", "heun", ("k_heun",)),
    Named("DPM++ 2M", "dpmpp_2m", ("k_dpmpp_2m", "dpmpp_2m")),
    Named("DPM++ 2M SDE", "dpmpp_2m_sde", ("k_dpmpp_2m_sde", "dpmpp_2m_sde")),
    Named("DDIM", "ddim"),
    Named("UniPC", "unipc"),
)
SCHEDULERS = (
    Named("automatic", None, ("Automatic",)),
    Named("uniform", "uniform", ("Uniform",)),
    Named("normal", "uniform", ("Normal",)),
    Named("karras", "karras", ("Karras",)),
    Named("exponential", "exponential", ("Exponential",)),
    Named("sgm_uniform", "trailing", ("SGM Uniform", "trailing")),
    Named("simple", "trailing", ("Simple",)),
    Named("ddim", "leading", ("DDIM", "leading")),
)
SUFFIXES = ("Karras", "Exponential")
"""Older clients say the scheduler at the end of the sampler's name: "DPM++ 2M Karras"."""


def find(kind: str, name: str, names: Sequence[Named]) -> Named:
    """The one of that name or alias, however it is written; UnknownNameError where there is none."""
    for one in names:
        if name.lower() in (known.lower() for known in (one.name, *one.aliases)):
            return one
    raise UnknownNameError(kind, name[:100], [one.name for one in names])


def sampling(sampler: str | None, scheduler: str | None) -> tuple[str | None, str | None]:
    """Our sampler and spacing; None is the model's own."""
    if sampler:
        base, _, suffix = sampler.rpartition(" ")
        if base and suffix.capitalize() in SUFFIXES:
            sampler, scheduler = base, suffix
    return (
        find("sampler", sampler, SAMPLERS).ours if sampler else None,
        find("scheduler", scheduler, SCHEDULERS).ours if scheduler else None,
    )
