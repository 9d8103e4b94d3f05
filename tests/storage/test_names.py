"""The rename tables read in both directions, and settings that we do not draw are named."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from rhinoise.core.errors import ModelFolderError
from rhinoise.nets.autoencoder import Autoencoder, AutoencoderConfig
from rhinoise.nets.unet import UNet, UNetConfig
from rhinoise.storage.names import (
    AUTOENCODER_NAMES,
    UNET_NAMES,
    autoencoder_from_diffusers,
    autoencoder_state_from_diffusers,
    autoencoder_state_to_diffusers,
    autoencoder_to_diffusers,
    from_diffusers,
    to_diffusers,
    unet_from_diffusers,
    unet_to_diffusers,
)

UNET = UNetConfig(
    sample_size=8,
    in_channels=4,
    out_channels=4,
    block_out_channels=(4, 8, 8, 8),
    attention=(False, True, True, False),
    heads=(1, 2, 2, 2),
    transformer_layers=(1, 4, 1, 1),
    cross_attention_dim=8,
    norm_num_groups=2,
)
AUTOENCODER = AutoencoderConfig(
    sample_size=16,
    latent_channels=3,
    block_out_channels=(4, 4, 8, 8),
    layers_per_block=3,
    mid_attention=True,
    norm_num_groups=2,
)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("names", "state"),
    [(UNET_NAMES, UNet(UNET).state_dict()), (AUTOENCODER_NAMES, Autoencoder(AUTOENCODER).state_dict())],
    ids=["unet", "autoencoder"],
)
def test_names_are_bijective(names: dict[str, str], state: dict[str, torch.Tensor]) -> None:
    assert len(set(names.values())) == len(names)
    theirs = to_diffusers(state, names)
    assert len(theirs) == len(state)
    back = from_diffusers(theirs, names)
    assert list(back) == list(state)
    assert all(back[name] is state[name] for name in state)


@pytest.mark.parametrize(
    "config",
    [UNET, replace(UNET, use_linear_projection=True, mid_attention=False, layers_per_block=1, norm_eps=1e-6)],
)
def test_unet_settings_there_and_back(config: UNetConfig) -> None:
    assert unet_from_diffusers(unet_to_diffusers(config)) == config


@pytest.mark.parametrize("config", [AUTOENCODER, replace(AUTOENCODER, mid_attention=False)])
def test_autoencoder_settings_there_and_back(config: AutoencoderConfig) -> None:
    assert autoencoder_from_diffusers(autoencoder_to_diffusers(config)) == config


def test_one_number_serves_every_level() -> None:
    settings = unet_to_diffusers(UNET) | {"attention_head_dim": 4, "transformer_layers_per_block": 2}
    settings |= {
        "upcast_attention": True,
        "dual_cross_attention": False,
        "_class_name": "UNet2DConditionModel",
    }
    assert unet_from_diffusers(settings) == replace(UNET, heads=(4,) * 4, transformer_layers=(2,) * 4)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("addition_embed_type", "text_time"),
        ("act_fn", "gelu"),
        ("sample_size", None),
        ("layers_per_block", [1, 2, 2, 2]),
        ("mid_block_type", "UNetMidBlock2DSimpleCrossAttn"),
        ("down_block_types", ["DownBlock2D", "CrossAttnDownBlock2D", "AttnDownBlock2D", "DownBlock2D"]),
        ("up_block_types", ["UpBlock2D"] * 4),
        ("setting_of_the_future", 1),
    ],
)
def test_unet_settings_that_we_do_not_draw(name: str, value: Any) -> None:
    with pytest.raises(ModelFolderError, match=name):
        unet_from_diffusers(unet_to_diffusers(UNET) | {name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("use_quant_conv", False), ("in_channels", 4), ("latents_mean", [0.0]), ("up_block_types", ["Other"])],
)
def test_autoencoder_settings_that_we_do_not_draw(name: str, value: Any) -> None:
    with pytest.raises(ModelFolderError, match=name):
        autoencoder_from_diffusers(autoencoder_to_diffusers(AUTOENCODER) | {name: value})


@torch.no_grad()
def test_folding_keeps_every_latent_and_picture() -> None:
    """Written with its statistics folded in and read back, an autoencoder has none, and is the same."""
    before, after = Autoencoder(AUTOENCODER), Autoencoder(AUTOENCODER)
    before.set_statistics(torch.tensor([0.5, -3.0, 0.0]), torch.tensor([0.1, 4.0, 1.0]))
    settings = autoencoder_to_diffusers(AUTOENCODER)
    after.load_state_dict(autoencoder_state_from_diffusers(autoencoder_state_to_diffusers(before), settings))
    assert after.measured
    assert (after.latent_mean == 0).all()
    assert (after.latent_std == 1).all()
    images, latents = torch.rand(2, 3, 16, 16), torch.randn(2, 3, 2, 2)
    for got, expected in [
        (after.encode(images).mean, before.encode(images).mean),
        (after.encode(images).log_variance, before.encode(images).log_variance),
        (after.decode(latents), before.decode(latents)),
    ]:
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)
