"""Networks that stock diffusers opens: `rhinoise train emoji --recipe stock --out runs/stock`.

A KL autoencoder, a CLIP text encoder of our own size, a cross-attention U-Net, trained by flow matching: the
folder opens in `diffusers.StableDiffusionPipeline.from_pretrained` and draws the same pictures there.
"""

from rhinoise.diffusion.objective import ObjectiveConfig
from rhinoise.diffusion.schedules import ScheduleConfig
from rhinoise.nets.autoencoder import AutoencoderConfig
from rhinoise.nets.contrastive import ContrastiveConfig
from rhinoise.nets.text import TextConfig
from rhinoise.nets.unet import UNetConfig
from rhinoise.pipeline.request import SamplingConfig
from rhinoise.recipes.recipe import DataConfig, Recipe, Shares, check_size
from rhinoise.training.fit import FitConfig
from rhinoise.training.tasks import AutoencoderLosses

FACTOR = 4
CHANNELS = 4
TEXT_WIDTH = 256


def stock(size: int) -> Recipe:
    """The recipe for pictures of `size` pixels, a multiple of 16."""
    check_size(size, 16)
    latent = size // FACTOR
    return Recipe(
        name="stock",
        size=size,
        minutes=10.0,
        images=None,
        data=DataConfig(),
        autoencoder=AutoencoderConfig(
            sample_size=size,
            latent_channels=CHANNELS,
            block_out_channels=(16, 64, 128),
            norm_num_groups=16,
            layers_per_block=1,
            mid_attention=False,
        ),
        text=TextConfig(width=TEXT_WIDTH, layers=2, heads=4, context=16),
        text_training="contrastive",
        contrastive=ContrastiveConfig(),
        network=UNetConfig(
            sample_size=latent,
            in_channels=CHANNELS,
            out_channels=CHANNELS,
            block_out_channels=(128, 256),
            attention=(False, True),
            heads=(4, 4),
            transformer_layers=(1, 2),
            cross_attention_dim=TEXT_WIDTH,
            layers_per_block=1,
        ),
        prediction="flow",
        schedule=ScheduleConfig(name="flow"),
        objective=ObjectiveConfig(density="logit_normal"),
        caption_dropout=0.1,
        losses=AutoencoderLosses(),
        discriminator=None,
        fit_autoencoder=FitConfig(batch=16, learning_rate=1e-3),
        fit_text=FitConfig(batch=128, learning_rate=1e-3),
        fit_denoiser=FitConfig(batch=32, learning_rate=5e-4),
        shares=Shares(autoencoder=0.3, text=0.05, denoiser=0.65),
        sampling=SamplingConfig(sampler="dpmpp_2m", spacing="stock_flow", steps=20, guidance=3.0),
    )
