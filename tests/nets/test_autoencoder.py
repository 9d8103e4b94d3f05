"""Latents are centred inside every autoencoder, and nobody outside meets another kind."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from rhinoise.core.errors import ConfigError
from rhinoise.nets.autoencoder import (
    Autoencoder,
    AutoencoderConfig,
    CentredAutoencoder,
    DiagonalGaussian,
    IdentityAutoencoder,
    IdentityConfig,
)
from rhinoise.nets.network import AUTOENCODERS
from rhinoise.nets.patch_autoencoder import PatchAutoencoderConfig

KL = AutoencoderConfig(
    sample_size=16,
    latent_channels=4,
    block_out_channels=(8, 8, 16),
    layers_per_block=1,
    mid_attention=True,
    norm_num_groups=4,
)
CONFIGS = {
    "kl": KL,
    "patch": PatchAutoencoderConfig(factor=4, latent_channels=4, width=8, blocks=1),
    "identity": IdentityConfig(),
}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def build(name: str) -> CentredAutoencoder:
    return AUTOENCODERS[name][1](CONFIGS[name])


def test_every_autoencoder_is_tested() -> None:
    assert CONFIGS.keys() == AUTOENCODERS.keys()
    assert all(isinstance(CONFIGS[name], config) for name, (config, _) in AUTOENCODERS.items())


@pytest.mark.parametrize("name", AUTOENCODERS)
@torch.no_grad()
def test_shapes_follow_factor_and_channels(name: str) -> None:
    autoencoder, images = build(name), torch.rand(2, 3, 16, 24) * 2 - 1
    latents = autoencoder.encode(images).mode
    f = autoencoder.factor
    assert latents.shape == (2, autoencoder.latent_channels, 16 // f, 24 // f)
    assert autoencoder.decode(latents).shape == images.shape


@pytest.mark.parametrize("name", AUTOENCODERS)
@torch.no_grad()
def test_measured_statistics_centre_the_latents(name: str) -> None:
    """Measured twice, because a continued training measures again."""
    autoencoder, images = build(name), torch.rand(8, 3, 16, 16) + 0.3
    before = autoencoder.decode(autoencoder.encode(images).mode)
    assert not autoencoder.measured
    for _ in range(2):
        latents = autoencoder.encode(images).mode
        autoencoder.set_statistics(latents.mean((0, 2, 3)), latents.std((0, 2, 3)))
        latents = autoencoder.encode(images).mode
        torch.testing.assert_close(latents.mean((0, 2, 3)), torch.zeros(latents.shape[1]), atol=1e-5, rtol=0)
        torch.testing.assert_close(latents.std((0, 2, 3)), torch.ones(latents.shape[1]), atol=1e-5, rtol=0)
    assert autoencoder.measured
    torch.testing.assert_close(autoencoder.decode(latents), before, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_statistics_travel_with_the_weights(name: str) -> None:
    first, second = build(name), build(name)
    channels = first.latent_channels
    first.set_statistics(torch.arange(channels) + 1.0, torch.arange(channels) + 2.0)
    second.load_state_dict(first.state_dict())
    assert second.measured
    latents = torch.randn(1, channels, 4, 4)
    assert torch.equal(second.decode(latents), first.decode(latents))


def test_a_dead_channel_is_refused() -> None:
    with pytest.raises(ConfigError, match="never changes"):
        build("kl").set_statistics(torch.zeros(4), torch.tensor([1.0, 0.0, 1.0, 1.0]))


def test_identity_is_exact() -> None:
    identity, images = IdentityAutoencoder(IdentityConfig()), torch.rand(2, 3, 4, 4) * 2 - 1
    latents = identity.encode(images)
    assert torch.equal(latents.mode, images)
    assert torch.equal(latents.sample(torch.randn_like(images)), images)
    assert torch.equal(identity.decode(images), images)


def test_gaussian_is_torchs() -> None:
    """Batch = channels = height = width, where a wrong axis would pass unnoticed elsewhere."""
    mean, log_variance, noise = torch.randn(3, 3, 3, 3, 3)
    ours, theirs = DiagonalGaussian(mean, log_variance), Normal(mean, (0.5 * log_variance).exp())
    torch.testing.assert_close(ours.std, theirs.stddev)
    torch.testing.assert_close(ours.sample(noise), mean + theirs.stddev * noise)
    torch.testing.assert_close(ours.kl, kl_divergence(theirs, Normal(0.0, 1.0)).sum((1, 2, 3)))


def test_memory_format_and_precision_do_not_matter() -> None:
    autoencoder, images = Autoencoder(KL), torch.rand(2, 3, 16, 16) * 2 - 1
    autoencoder.set_statistics(torch.randn(4), torch.rand(4) + 0.5)
    latents = autoencoder.encode(images).mode
    decoded = autoencoder.decode(latents)
    autoencoder = autoencoder.to(memory_format=torch.channels_last)
    images = images.to(memory_format=torch.channels_last)
    torch.testing.assert_close(autoencoder.encode(images).mode, latents, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(autoencoder.decode(latents), decoded, atol=1e-5, rtol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        gaussian = autoencoder.encode(images)
        half = autoencoder.decode(gaussian.sample(torch.zeros_like(latents)))
    assert (half.float() - decoded).norm() / decoded.norm() < 0.05
    (half.float().square().mean() + gaussian.kl.mean()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in autoencoder.parameters())
