"""A stock folder whose weights lie in bf16 opens in stock diffusers all the same."""

from pathlib import Path

import pytest
import torch

from rhinoise.diffusion.schedules import ScheduleConfig
from rhinoise.nets.autoencoder import Autoencoder, AutoencoderConfig
from rhinoise.nets.text import TextConfig, TextEncoder
from rhinoise.nets.unet import UNet, UNetConfig
from rhinoise.storage import bundle
from rhinoise.storage.bundle import Bundle

diffusers = pytest.importorskip("diffusers")


def test_its_parts_are_float32_and_rounded(tmp_path: Path) -> None:
    torch.manual_seed(0)
    autoencoder = Autoencoder(
        AutoencoderConfig(
            sample_size=16,
            latent_channels=4,
            block_out_channels=(8, 8),
            layers_per_block=1,
            mid_attention=False,
            norm_num_groups=4,
        )
    )
    autoencoder.set_statistics(torch.zeros(4), torch.full((4,), 0.7))
    network = UNet(
        UNetConfig(
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
        )
    )
    text = TextConfig(width=16, layers=1, heads=2, context=8, vocabulary=600)
    parts = Bundle(
        autoencoder=autoencoder,
        text_encoder=TextEncoder.create(["a rhinoceros"], text, seed=0),
        network=network,
        predicts="flow",
        schedule=ScheduleConfig(name="flow"),
        facts={"size": 16},
    )
    bundle.save(tmp_path / "model", parts, "bf16")
    ours = bundle.load(tmp_path / "model")
    stock = diffusers.StableDiffusionPipeline.from_pretrained(tmp_path / "model")
    for part in (stock.unet, stock.vae, stock.text_encoder):
        assert {weight.dtype for weight in part.parameters()} == {torch.float32}
    x = torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(stock.vae.decode(x).sample, ours.autoencoder.decode(x), atol=1e-4, rtol=1e-4)
    assert not torch.equal(ours.autoencoder.decode(x), autoencoder.decode(x))
