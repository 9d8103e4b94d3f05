"""Our U-Net and autoencoder against diffusers', on the same weights and pictures."""

from dataclasses import replace

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from rhinoise.core.shapes import TextEmbedding
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

STABLE_DIFFUSION = UNetConfig(
    sample_size=8,
    in_channels=4,
    out_channels=4,
    block_out_channels=(8, 16, 32, 32),
    attention=(True, True, True, False),
    heads=(2, 2, 2, 2),
    transformer_layers=(1, 1, 1, 1),
    cross_attention_dim=12,
    norm_num_groups=4,
)
UNETS = {
    "stable diffusion 1.5, scaled down": STABLE_DIFFUSION,
    "stable diffusion 2, scaled down: linear, a head per 4 channels": replace(
        STABLE_DIFFUSION, use_linear_projection=True, heads=(2, 4, 8, 8)
    ),
    "two transformer blocks, three residual": replace(
        STABLE_DIFFUSION,
        block_out_channels=(8, 16),
        attention=(True, True),
        heads=(2, 4),
        transformer_layers=(1, 2),
        layers_per_block=3,
        use_linear_projection=True,
    ),
    "attention in the last level only, none in the middle": replace(
        STABLE_DIFFUSION,
        in_channels=3,
        out_channels=6,
        block_out_channels=(8, 16, 16),
        attention=(False, False, True),
        heads=(2, 2, 4),
        transformer_layers=(1, 1, 1),
        layers_per_block=1,
        mid_attention=False,
        flip_sin_to_cos=False,
        freq_shift=1,
    ),
}
AUTOENCODERS = {
    f"f={2 ** (len(channels) - 1)}, {'with' if attention else 'without'} attention": AutoencoderConfig(
        sample_size=32,
        latent_channels=latents,
        block_out_channels=channels,
        layers_per_block=layers,
        mid_attention=attention,
        norm_num_groups=4,
    )
    for channels, latents, layers, attention in [
        ((8, 16), 3, 1, True),
        ((8, 8, 16), 4, 2, True),
        ((8, 16, 16, 24), 8, 1, False),
        ((8, 8, 8, 16, 16), 16, 1, True),
    ]
}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def captions(count: int, width: int) -> TextEmbedding:
    return TextEmbedding(
        tokens=torch.randn(count, 5, width),
        mask=torch.ones(count, 5, dtype=torch.bool),
        pooled=torch.zeros(count, 1),
    )


@pytest.mark.parametrize("config", UNETS.values(), ids=UNETS)
@pytest.mark.parametrize("ours_first", [True, False], ids=["our weights", "their weights"])
@torch.no_grad()
def test_unet_is_diffusers(config: UNetConfig, ours_first: bool) -> None:
    ours, theirs = UNet(config), UNet2DConditionModel(**unet_to_diffusers(config))
    if ours_first:
        theirs.load_state_dict(to_diffusers(ours.state_dict(), UNET_NAMES))
    else:
        ours.load_state_dict(from_diffusers(theirs.state_dict(), UNET_NAMES))
    assert unet_from_diffusers(dict(theirs.config)) == config
    # Odd and oblong, so that the way up must meet the sizes of the way down; the clock is no integer.
    x, time, text = (
        torch.randn(3, config.in_channels, 9, 12),
        torch.tensor([0.0, 3.7, 999.0]),
        captions(3, 12),
    )
    expected = theirs(x, time, text.tokens).sample
    torch.testing.assert_close(ours(x, time, text), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("config", AUTOENCODERS.values(), ids=AUTOENCODERS)
@torch.no_grad()
def test_folded_autoencoder_is_diffusers(config: AutoencoderConfig) -> None:
    ours, theirs = Autoencoder(config), AutoencoderKL(**autoencoder_to_diffusers(config))
    ours.set_statistics(torch.randn(config.latent_channels), torch.rand(config.latent_channels) + 0.5)
    theirs.load_state_dict(autoencoder_state_to_diffusers(ours))
    assert autoencoder_from_diffusers(dict(theirs.config)) == config
    images, f = torch.rand(2, 3, 32, 48) * 2 - 1, ours.factor
    got, expected = ours.encode(images), theirs.encode(images).latent_dist
    assert got.mean.shape == (2, config.latent_channels, 32 // f, 48 // f)
    torch.testing.assert_close(got.mean, expected.mean, atol=1e-5, rtol=0)
    torch.testing.assert_close(got.log_variance, expected.logvar, atol=1e-5, rtol=0)
    torch.testing.assert_close(got.std, expected.std, atol=1e-5, rtol=0)
    torch.testing.assert_close(got.kl, expected.kl(), atol=0, rtol=1e-5)
    latents = torch.randn_like(got.mean)
    torch.testing.assert_close(ours.decode(latents), theirs.decode(latents).sample, atol=1e-5, rtol=0)


@pytest.mark.parametrize("config", AUTOENCODERS.values(), ids=AUTOENCODERS)
@torch.no_grad()
def test_foreign_autoencoder_opens_with_its_scale(config: AutoencoderConfig) -> None:
    theirs = AutoencoderKL(**autoencoder_to_diffusers(config) | {"scaling_factor": 0.3, "shift_factor": 0.1})
    ours = Autoencoder(config)
    ours.load_state_dict(autoencoder_state_from_diffusers(theirs.state_dict(), dict(theirs.config)))
    assert ours.measured
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    raw = theirs.encode(images).latent_dist.mean
    latents = ours.encode(images).mode
    torch.testing.assert_close(latents, (raw - 0.1) * 0.3, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours.decode(latents), theirs.decode(raw).sample, atol=1e-5, rtol=0)


@pytest.mark.parametrize("config", AUTOENCODERS.values(), ids=AUTOENCODERS)
def test_autoencoder_names_are_complete(config: AutoencoderConfig) -> None:
    theirs = AutoencoderKL(**autoencoder_to_diffusers(config)).state_dict()
    ours = from_diffusers(theirs, AUTOENCODER_NAMES)
    statistics = {"latent_mean", "latent_std", "statistics_measured"}
    assert ours.keys() == Autoencoder(config).state_dict().keys() - statistics
    assert to_diffusers(ours, AUTOENCODER_NAMES).keys() == theirs.keys()
