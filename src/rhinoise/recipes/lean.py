"""The most picture per minute on a small machine: `rhinoise train emoji --out runs/emoji`.

A patch autoencoder and a U-ViT: large dense products, little else, and convolutions where they pay from the
first minute. diffusers has no class for the two: the folder is in its layout and opens in rhinoise.
Latents of pictures larger than 64 pixels are folded by two on their way into the network: a step takes half
as long, and in the same minutes draws better.
"""

from rhinoise.diffusion.objective import ObjectiveConfig
from rhinoise.diffusion.schedules import ScheduleConfig
from rhinoise.nets.contrastive import ContrastiveConfig
from rhinoise.nets.patch_autoencoder import PatchAutoencoderConfig
from rhinoise.nets.text import TextConfig
from rhinoise.nets.uvit import UViTConfig
from rhinoise.pipeline.request import SamplingConfig
from rhinoise.recipes.recipe import DataConfig, Recipe, Shares, check_size
from rhinoise.training.fit import FitConfig
from rhinoise.training.tasks import AutoencoderLosses

FACTOR = 4
CHANNELS = 8
UNFOLDED = 64
"""The largest pictures whose latents go into the network as they are, in pixels."""
FOLDED = 2
"""Latents that are folded into one, along each side, of larger ones."""
TEXT_WIDTH = 256


def lean(size: int) -> Recipe:
    """The recipe for pictures of `size` pixels, a multiple of 8, or of 16 above 64."""
    folded = FOLDED if size > UNFOLDED else 1
    check_size(size, 2 * FACTOR * folded)
    return Recipe(
        name="lean",
        size=size,
        minutes=10.0,
        images=None,
        data=DataConfig(),
        autoencoder=PatchAutoencoderConfig(factor=FACTOR, latent_channels=CHANNELS, width=128, blocks=3),
        text=TextConfig(width=TEXT_WIDTH, layers=2, heads=4, context=16),
        text_training="contrastive",
        contrastive=ContrastiveConfig(),
        network=network(size, folded=folded, depth=4),
        prediction="flow",
        schedule=ScheduleConfig(name="flow"),
        objective=ObjectiveConfig(density="logit_normal", std=1.4),
        caption_dropout=0.1,
        losses=AutoencoderLosses(),
        discriminator=None,
        fit_autoencoder=FitConfig(batch=32, learning_rate=1e-3),
        fit_text=FitConfig(batch=128, learning_rate=1e-3),
        fit_denoiser=FitConfig(batch=16, learning_rate=2e-3, optimizer="muon_kernels"),
        shares=Shares(autoencoder=0.13, text=0.05, denoiser=0.82),
        sampling=SamplingConfig(sampler="dpmpp_2m", spacing="uniform", steps=20, guidance=3.0),
    )


def network(size: int, *, folded: int, depth: int) -> UViTConfig:
    """The denoiser for pictures of `size` pixels."""
    return UViTConfig(
        sample_size=size // FACTOR,
        channels=CHANNELS,
        patch_size=folded,
        fine_width=128,
        fine_blocks=2,
        width=256,
        depth=depth,
        heads=4,
        text_width=TEXT_WIDTH,
        pooled_width=TEXT_WIDTH,
    )
