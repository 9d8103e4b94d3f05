"""The model that comes with the package: `rhinoise train emoji_composed --recipe bundled --size 128`.

The parts of `lean` for pictures twice as wide: latents at a quarter of them, folded by two on their way into
the network, so that the denoiser works at 16 x 16 and a step costs about what it costs `lean` at 64 pixels.
"""

from dataclasses import replace

from rhinoise.diffusion.objective import ObjectiveConfig
from rhinoise.nets.patch_autoencoder import PatchAutoencoderConfig
from rhinoise.nets.text import TextConfig
from rhinoise.nets.uvit import UViTConfig
from rhinoise.pipeline.request import SamplingConfig
from rhinoise.recipes.lean import CHANNELS, FACTOR, TEXT_WIDTH, lean
from rhinoise.recipes.recipe import Recipe, Shares, check_size
from rhinoise.training.fit import FitConfig

FOLDED = 2


def bundled(size: int) -> Recipe:
    """The recipe for pictures of `size` pixels, a multiple of 16."""
    check_size(size, 16)
    return replace(
        lean(size),
        name="bundled",
        minutes=None,
        images=1_094_400,
        autoencoder=PatchAutoencoderConfig(factor=FACTOR, latent_channels=CHANNELS, width=128, blocks=3),
        text=TextConfig(width=TEXT_WIDTH, layers=3, heads=4, context=20),
        network=UViTConfig(
            sample_size=size // FACTOR,
            channels=CHANNELS,
            patch_size=FOLDED,
            fine_width=128,
            fine_blocks=2,
            width=256,
            depth=6,
            heads=4,
            text_width=TEXT_WIDTH,
            pooled_width=TEXT_WIDTH,
        ),
        # Four times the numbers of 64 pixels tell layout and subject apart only where there is much noise.
        objective=ObjectiveConfig(density="logit_normal", mean=1.5, std=1.4),
        fit_autoencoder=FitConfig(batch=8, learning_rate=1e-3),
        fit_text=FitConfig(batch=128, learning_rate=1e-3),
        fit_denoiser=FitConfig(batch=32, learning_rate=2e-3, decay=0.12, optimizer="muon_kernels"),
        shares=Shares(autoencoder=0.02008032, text=0.06425702, denoiser=0.91566266),
        sampling=SamplingConfig(sampler="dpmpp_2m", spacing="shifted", steps=20, guidance=3.0),
    )
