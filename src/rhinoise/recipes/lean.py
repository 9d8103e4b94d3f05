"""The most picture per minute on a small machine: `rhinoise train emoji --out runs/emoji`.

A patch autoencoder and a U-ViT: large dense products, little else, and convolutions where they pay from the
first minute. diffusers has no class for the two: the folder is in its layout and opens in rhinoise.
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
TEXT_WIDTH = 256


def lean(size: int) -> Recipe:
    """The recipe for pictures of `size` pixels, a multiple of 8."""
    check_size(size, 8)
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
        network=UViTConfig(
            sample_size=size // FACTOR,
            channels=CHANNELS,
            fine_width=128,
            fine_blocks=2,
            width=256,
            depth=4,
            heads=4,
            text_width=TEXT_WIDTH,
            pooled_width=TEXT_WIDTH,
        ),
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
