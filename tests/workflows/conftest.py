"""Twenty-four captioned pictures, and recipes that train on them within a second or two."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rhinoise.diffusion.objective import ObjectiveConfig
from rhinoise.diffusion.schedules import ScheduleConfig
from rhinoise.nets.autoencoder import AutoencoderConfig
from rhinoise.nets.contrastive import ContrastiveConfig
from rhinoise.nets.patch_autoencoder import PatchAutoencoderConfig
from rhinoise.nets.text import TextConfig
from rhinoise.nets.transformer import TransformerConfig
from rhinoise.nets.unet import UNetConfig
from rhinoise.pipeline.request import SamplingConfig
from rhinoise.recipes import Recipe
from rhinoise.recipes.recipe import DataConfig, Shares
from rhinoise.training.fit import FitConfig
from rhinoise.training.tasks import AutoencoderLosses

FIT = FitConfig(batch=8, learning_rate=1e-3, checkpoint_seconds=0.0)


@pytest.fixture
def lean() -> Recipe:
    """A patch autoencoder and a transformer, of every kind of part the smallest."""
    return Recipe(
        name="tiny",
        size=16,
        minutes=None,
        images=80,
        data=DataConfig(),
        autoencoder=PatchAutoencoderConfig(factor=4, latent_channels=4, width=8, blocks=1),
        text=TextConfig(width=16, layers=1, heads=2, context=8, vocabulary=600),
        text_training="contrastive",
        contrastive=ContrastiveConfig(channels=8, shared=8),
        network=TransformerConfig(
            sample_size=4,
            channels=4,
            patch_size=1,
            width=16,
            depth=1,
            heads=2,
            text="in_context",
            text_width=16,
            pooled_width=16,
        ),
        prediction="flow",
        schedule=ScheduleConfig(name="flow"),
        objective=ObjectiveConfig(density="logit_normal"),
        caption_dropout=0.2,
        losses=AutoencoderLosses(),
        discriminator=None,
        fit_autoencoder=FIT,
        fit_text=FIT,
        fit_denoiser=FIT,
        shares=Shares(autoencoder=0.3, text=0.2, denoiser=0.5),
        sampling=SamplingConfig(sampler="dpmpp_2m", spacing="uniform", steps=2, guidance=2.0),
    )


@pytest.fixture
def stock(lean: Recipe) -> Recipe:
    """A KL autoencoder and a U-Net, which diffusers has too."""
    return replace(
        lean,
        autoencoder=AutoencoderConfig(
            sample_size=16,
            latent_channels=4,
            block_out_channels=(8, 8),
            layers_per_block=1,
            mid_attention=False,
            norm_num_groups=4,
        ),
        network=UNetConfig(
            sample_size=8,
            in_channels=4,
            out_channels=4,
            block_out_channels=(8, 8),
            attention=(False, True),
            heads=(1, 1),
            transformer_layers=(1, 1),
            cross_attention_dim=16,
            layers_per_block=1,
            norm_num_groups=4,
        ),
    )


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Squares of one colour on another, said so; a few have two captions."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for number in range(24):
        image = np.empty((16, 16, 3), np.uint8)
        image[:] = rng.integers(0, 256, 3)
        x, y = rng.integers(0, 8, 2)
        image[y : y + 8, x : x + 8] = rng.integers(0, 256, 3)
        Image.fromarray(image).save(folder / f"{number:02}.png")
        (folder / f"{number:02}.txt").write_text(f"a square at {x} and {y}, number {number}")
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test keeps its latents for itself."""
    monkeypatch.setenv("RHINOISE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
