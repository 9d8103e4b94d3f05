"""The heart: how much image, how much noise, and what the network's clock reads.

A noisy latent is two numbers and two things, `x = alpha * x0 + sigma * eps`. Training adds true noise
to a true latent; sampling adds the predicted noise to the predicted latent at the next, cleaner level.
Noising and denoising are the same line: `NoiseLevel.add_noise`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rhinoise.core.shapes import Latents, Times


@dataclass(frozen=True)
class NoiseLevel:
    """A level of noise: `alpha` and `sigma` broadcast against latents, `time` is the network's clock.

    A batch of one serves a whole batch of latents. `sigma == 0` is a clean picture, `alpha == 0` pure noise.
    """

    alpha: Float[Tensor, "#b 1 1 1"]
    sigma: Float[Tensor, "#b 1 1 1"]
    time: Float[Tensor, "#b"]

    def add_noise(self, x0: Latents, eps: Latents) -> Latents:
        """The forward process, and every reverse step: `alpha * x0 + sigma * eps` (Ho et al. 2020, eq. 4)."""
        return self.alpha * x0 + self.sigma * eps

    def noise_in(self, x: Latents, x0: Latents) -> Latents:
        """The noise that `x` holds if its clean latent is `x0`; the inverse of `add_noise` in `eps`."""
        return (x - self.alpha * x0) / self.sigma

    @property
    def log_snr(self) -> Float[Tensor, "#b 1 1 1"]:
        """log(alpha^2 / sigma^2), in nats; +inf for a clean picture, -inf for pure noise."""
        return 2 * (torch.log(self.alpha) - torch.log(self.sigma))

    @property
    def ratio(self) -> Float[Tensor, "#b 1 1 1"]:
        """sigma / alpha, the noise per unit of image (k-diffusion's sigma); inf for pure noise."""
        return self.sigma / self.alpha

    @property
    def std(self) -> Float[Tensor, "#b 1 1 1"]:
        """The standard deviation of a noisy latent at this level, for clean latents of variance 1."""
        return (self.alpha**2 + self.sigma**2).sqrt()

    @property
    def is_clean(self) -> bool:
        """Whether no picture of the batch holds any noise."""
        return not bool(self.sigma.any())

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> "NoiseLevel":
        """The same level on another device, and in another float type when one is given."""
        return NoiseLevel(
            alpha=self.alpha.to(device, dtype),
            sigma=self.sigma.to(device, dtype),
            time=self.time.to(device, dtype),
        )

    def __len__(self) -> int:
        return self.time.shape[0]

    def __getitem__(self, index: slice | Tensor) -> "NoiseLevel":
        return NoiseLevel(alpha=self.alpha[index], sigma=self.sigma[index], time=self.time[index])


Schedule = Callable[[Times], NoiseLevel]
"""A time t in [0, 1], 0 = clean and 1 = noise => its NoiseLevel."""

Denoise = Callable[[Latents, NoiseLevel], Latents]
"""A noisy latent and its level => the predicted clean latent x0."""
