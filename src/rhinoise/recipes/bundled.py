"""The model that comes with the package: `rhinoise train emoji_composed --recipe bundled --size 128`.

The parts of `lean`, with two transformer blocks more and a text encoder that takes longer captions. Latents
are folded at every size: at 128 pixels the denoiser works at 16 x 16, as `lean` does at 64.
"""

from dataclasses import replace

from rhinoise.diffusion.objective import ObjectiveConfig
from rhinoise.nets.text import TextConfig
from rhinoise.pipeline.request import SamplingConfig
from rhinoise.recipes.lean import FACTOR, FOLDED, TEXT_WIDTH, lean, network
from rhinoise.recipes.recipe import Recipe, Shares, check_size
from rhinoise.training.fit import FitConfig


def bundled(size: int) -> Recipe:
    """The recipe for pictures of `size` pixels, a multiple of 16."""
    check_size(size, 2 * FACTOR * FOLDED)
    return replace(
        lean(size),
        name="bundled",
        minutes=None,
        images=1_094_400,
        text=TextConfig(width=TEXT_WIDTH, layers=3, heads=4, context=20),
        network=network(size, folded=FOLDED, depth=6),
        # Four times the numbers of 64 pixels tell layout and subject apart only where there is much noise.
        objective=ObjectiveConfig(density="logit_normal", mean=1.5, std=1.4),
        fit_autoencoder=FitConfig(batch=8, learning_rate=1e-3),
        fit_text=FitConfig(batch=128, learning_rate=1e-3),
        fit_denoiser=FitConfig(batch=32, learning_rate=2e-3, decay=0.12, optimizer="muon_kernels"),
        shares=Shares(autoencoder=0.02008032, text=0.06425702, denoiser=0.91566266),
        sampling=SamplingConfig(sampler="dpmpp_2m", spacing="shifted", steps=20, guidance=3.0),
    )
