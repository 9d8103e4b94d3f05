"""A tiny model with random weights, that heeds its captions."""

import pytest
import torch

from rhinoise.core.config import to_json
from rhinoise.diffusion.schedules import ScheduleConfig
from rhinoise.nets.patch_autoencoder import PatchAutoencoder, PatchAutoencoderConfig
from rhinoise.nets.text import TextConfig, TextEncoder
from rhinoise.nets.transformer import Transformer, TransformerConfig
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.pipeline.request import SamplingConfig
from rhinoise.storage.bundle import Bundle


@pytest.fixture(scope="session")
def parts() -> Bundle:
    torch.manual_seed(0)
    autoencoder = PatchAutoencoder(PatchAutoencoderConfig(factor=2, latent_channels=4, width=8, blocks=1))
    autoencoder.start_from(torch.rand(16, 3, 16, 16) * 2 - 1)
    autoencoder.set_statistics(torch.zeros(4), torch.ones(4))
    config = TransformerConfig(
        sample_size=8,
        channels=4,
        patch_size=2,
        width=32,
        depth=2,
        heads=2,
        text="in_context",
        text_width=16,
        pooled_width=16,
    )
    network = Transformer(config)
    for layer in (network.modulation, network.patch_out):
        torch.nn.init.normal_(layer.weight, std=0.2)
    sampling = SamplingConfig(sampler="dpmpp_2m", spacing="uniform", steps=5, guidance=3.0)
    return Bundle(
        autoencoder=autoencoder,
        text_encoder=TextEncoder.create(
            ["a rhinoceros", "a hippopotamus"],
            TextConfig(width=16, layers=1, heads=2, context=8, vocabulary=600),
            seed=0,
        ),
        network=network,
        predicts="flow",
        schedule=ScheduleConfig(name="flow"),
        facts={"size": 16, "recipe": "tiny", "sampling": to_json(sampling)},
    )


@pytest.fixture(scope="session")
def model(parts: Bundle) -> LatentDiffusion:
    return LatentDiffusion.of(parts, precision="fp32", device=torch.device("cpu"))
