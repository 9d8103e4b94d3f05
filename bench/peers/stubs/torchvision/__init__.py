"""The few names that denoising-diffusion-pytorch takes from torchvision, in its place."""

from torchvision import transforms, utils

__all__ = ["transforms", "utils"]
