"""Guidance: what one does to a sampler is a function Denoise -> Denoise."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from rhinoise.core.errors import ConfigError
from rhinoise.core.shapes import Latents
from rhinoise.diffusion.level import Denoise, NoiseLevel

DenoiseBoth = Callable[[Latents, NoiseLevel], tuple[Latents, Latents]]
"""A noisy latent and its level => x0 as the caption has it, and x0 without (or with the negative) caption."""


def _rescaled(x0: Latents, like: Latents, strength: float) -> Latents:
    """`x0`, each picture's standard deviation moved towards that of `like` (Lin et al. 2023, eq. 15-16)."""
    std, wanted = (z.std(dim=(1, 2, 3), keepdim=True) for z in (x0, like))
    return x0 * (strength * wanted / std + (1 - strength))


def guided(
    both: DenoiseBoth,
    alone: Denoise,
    *,
    scale: float,
    interval: tuple[float, float] = (0.0, 1.0),
    rescale: float = 0.0,
) -> Denoise:
    """Classifier-free guidance (Ho & Salimans 2022, eq. 6, on x0): away from what no caption would give.

    Args:
        both: the two predictions, from one network pass over a doubled batch.
        alone: the prediction with the caption only; half the work, used wherever guidance would do nothing.
        scale: 1 is no guidance; larger follows the caption more closely, and varies less.
        interval: guide only where the share of noise sigma / (alpha + sigma) lies in it, ends included
            (Kynkäänniemi et al. 2024). It is 0 for a clean latent, 1 for pure noise, t on a flow schedule.
        rescale: how far, from 0 to 1, the contrast is brought back to that of the prediction with the caption
            (Lin et al. 2023, section 3.4).

    Raises:
        ConfigError: `interval` is not two growing numbers in [0, 1], or `rescale` lies outside [0, 1].
    """
    low, high = interval
    if not 0 <= low <= high <= 1:
        raise ConfigError(f"the guidance interval is {low:g} to {high:g}; it must grow and lie in 0 to 1")
    if not 0 <= rescale <= 1:
        raise ConfigError(f"the guidance rescale is {rescale:g}; it must lie in 0 to 1")

    def denoise(x: Latents, level: NoiseLevel) -> Latents:
        share = level.sigma / (level.alpha + level.sigma)
        inside = (low <= share) & (share <= high)
        if scale == 1 or not inside.any():
            return alone(x, level)
        captioned, free = both(x, level)
        x0 = _rescaled(free + scale * (captioned - free), captioned, rescale)
        return torch.where(inside, x0, captioned)

    return denoise


def inpainted(denoise: Denoise, original: Latents, mask: Float[Tensor, "#b #c h w"]) -> Denoise:
    """Draw only where `mask` is 1; where it is 0 the predicted x0 is the `original`, in between a blend."""

    def masked(x: Latents, level: NoiseLevel) -> Latents:
        return torch.lerp(original, denoise(x, level), mask)

    return masked
