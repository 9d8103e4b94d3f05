"""The patch autoencoder starts as principal components, exactly, and every correction to them as zero."""

import numpy as np
import pytest
import torch
from einops import rearrange

from rhinoise.core.errors import ConfigError
from rhinoise.nets.patch_autoencoder import INITIAL_LOG_VARIANCE, PatchAutoencoder, PatchAutoencoderConfig

FACTOR, SIZE = 2, 8


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """Smooth pictures, so that their patches have components of very different size."""
    chance = torch.Generator().manual_seed(0)
    coarse = torch.randn(24, 3, 3, 3, generator=chance)
    smooth = torch.nn.functional.interpolate(coarse, SIZE, mode="bicubic", align_corners=False)
    return (smooth + 0.05 * torch.randn(smooth.shape, generator=chance) + 0.2).clamp(-1, 1)


def built(channels: int, images: torch.Tensor) -> PatchAutoencoder:
    torch.manual_seed(0)
    config = PatchAutoencoderConfig(factor=FACTOR, latent_channels=channels, width=8, blocks=2)
    autoencoder = PatchAutoencoder(config)
    autoencoder.start_from(images)
    return autoencoder


def patches(images: torch.Tensor) -> np.ndarray:
    return rearrange(images, "b c (h p) (w q) -> (b h w) (c p q)", p=FACTOR, q=FACTOR).double().numpy()


@pytest.mark.parametrize("channels", [1, 4, 11])
@torch.no_grad()
def test_it_starts_as_the_best_linear_map(images, channels):
    """Its error is what a singular value decomposition leaves (Eckart & Young 1936)."""
    autoencoder, rows = built(channels, images), patches(images)
    again = autoencoder.decode(autoencoder.encode(images).mode)
    left = np.linalg.svd(rows - rows.mean(0), compute_uv=False)[channels:]
    error = float(((again - images).double() ** 2).sum())
    assert error == pytest.approx((left**2).sum(), rel=1e-4)


@torch.no_grad()
def test_latents_start_uncorrelated_with_unit_variance(images):
    latents = rearrange(built(5, images).encode(images).mode, "b c h w -> c (b h w)").double()
    torch.testing.assert_close(latents.mean(1), torch.zeros(5).double(), atol=1e-5, rtol=0)
    torch.testing.assert_close(latents.cov(correction=0), torch.eye(5).double(), atol=1e-4, rtol=0)


@torch.no_grad()
def test_with_all_components_it_is_the_identity(images):
    autoencoder = built(3 * FACTOR**2, images)
    torch.testing.assert_close(autoencoder.decode(autoencoder.encode(images).mode), images, atol=1e-4, rtol=0)
    other = torch.rand(2, 3, 4, 12) * 2 - 1  # also for pictures that it was not measured on
    torch.testing.assert_close(autoencoder.decode(autoencoder.encode(other).mode), other, atol=1e-3, rtol=0)


@torch.no_grad()
def test_the_branches_start_at_zero(images):
    autoencoder = built(4, images)
    latents = autoencoder.encode(images)
    for name in ("encode_in", "decode_in"):
        torch.nn.init.normal_(getattr(autoencoder, name).weight)
    assert torch.equal(autoencoder.encode(images).mode, latents.mode)
    assert torch.equal(latents.log_variance, torch.full_like(latents.mode, INITIAL_LOG_VARIANCE))
    x = torch.randn(2, 8, 4, 4)
    for block in (*autoencoder.encode_blocks, *autoencoder.decode_blocks):
        assert torch.equal(block(x), x)


def test_every_weight_learns_after_two_steps(images):
    """Zero branches have gradients of their own first, and of what feeds them after one step."""
    autoencoder = built(4, images)
    optimizer = torch.optim.SGD(autoencoder.parameters(), lr=1e-2)
    for _ in range(2 + 1):
        optimizer.zero_grad()
        posterior = autoencoder.encode(images)
        loss = (
            (autoencoder.decode(posterior.sample(torch.randn_like(posterior.mode))) - images).square().mean()
        )
        loss.backward()
        optimizer.step()
    assert all(bool(parameter.grad.abs().sum() > 0) for parameter in autoencoder.parameters())


def test_pictures_of_one_colour_have_components_too():
    autoencoder = built(4, torch.full((4, 3, 8, 8), 0.5))
    with torch.no_grad():
        again = autoencoder.decode(autoencoder.encode(torch.full((1, 3, 8, 8), 0.5)).mode)
    torch.testing.assert_close(again, torch.full((1, 3, 8, 8), 0.5), atol=1e-4, rtol=0)


def test_more_components_than_numbers_are_refused():
    with pytest.raises(ConfigError, match="at most as many"):
        PatchAutoencoderConfig(factor=2, latent_channels=13, width=8, blocks=1)
