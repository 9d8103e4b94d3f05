"""Text-to-image latent diffusion, every stage trained on your machine. Public names load when used."""

from importlib import import_module
from typing import Any

_HOMES = {
    "GenerateRequest": "rhinoise.pipeline.request",
    "LatentDiffusion": "rhinoise.pipeline.latent_diffusion",
    "NoiseLevel": "rhinoise.diffusion.level",
    "RECIPES": "rhinoise.recipes",
    "Recipe": "rhinoise.recipes",
    "RhinoiseError": "rhinoise.core.errors",
    "SAMPLERS": "rhinoise.diffusion.samplers",
    "SCHEDULES": "rhinoise.diffusion.schedules",
    "TrainRequest": "rhinoise.workflows.train",
    "train": "rhinoise.workflows.train",
}

__all__ = [
    "RECIPES",
    "SAMPLERS",
    "SCHEDULES",
    "GenerateRequest",
    "LatentDiffusion",
    "NoiseLevel",
    "Recipe",
    "RhinoiseError",
    "TrainRequest",
    "__version__",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("rhinoise")
    if name not in _HOMES:
        raise AttributeError(f"module 'rhinoise' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
