"""Kernels chosen by backend agree with torch's own."""

import pytest
import torch
import torch.nn.functional as F

from rhinoise.nets.layers import attention, group_norm, time_features


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("masked", [True, False])
def test_attention_in_bfloat16_is_attention(masked: bool) -> None:
    q, k, v = torch.randn(2, 3, 7, 8), torch.randn(2, 3, 5, 8), torch.randn(2, 3, 5, 8)
    mask = torch.tensor([[1, 1, 0, 1, 0], [1, 0, 0, 0, 0]], dtype=torch.bool) if masked else None
    weights = (q @ k.mT / 8**0.5).exp()
    if mask is not None:
        weights = weights * mask[:, None, None, :]
    expected = weights / weights.sum(-1, keepdim=True) @ v
    torch.testing.assert_close(attention(q, k, v, mask), expected)
    fast = attention(q.bfloat16(), k.bfloat16(), v.bfloat16(), mask)
    assert fast.dtype == torch.bfloat16
    torch.testing.assert_close(fast.float(), expected, atol=0.05, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_to_nothing_is_finite(dtype: torch.dtype) -> None:
    q = torch.randn(1, 2, 3, 4, dtype=dtype)
    assert attention(q, q, q, torch.zeros(1, 3, dtype=torch.bool)).isfinite().all()


@pytest.mark.parametrize("shape", [(3, 8, 5, 4), (8, 8, 8, 8), (1, 4, 16, 16)])
def test_group_norm_with_channels_last_in_bfloat16(shape: tuple[int, int, int, int]) -> None:
    """Value and all three gradients against torch's kernel in float32; the mean is far from zero."""
    channels = shape[1]
    x = (torch.randn(shape) + 2).bfloat16().to(memory_format=torch.channels_last)
    weight, bias, upstream = torch.randn(channels), torch.randn(channels), torch.randn(shape).bfloat16()

    def run(x: torch.Tensor, upstream: torch.Tensor) -> list[torch.Tensor]:
        inputs = [x.detach().requires_grad_(), weight.clone().requires_grad_(), bias.clone().requires_grad_()]
        y = group_norm(inputs[0], 2, inputs[1], inputs[2], 1e-5)
        return [y, *torch.autograd.grad(y, inputs, upstream)]

    fast = run(x, upstream.to(memory_format=torch.channels_last))
    assert fast[0].dtype == torch.bfloat16
    assert fast[0].is_contiguous(memory_format=torch.channels_last)
    for got, expected in zip(fast, run(x.float().contiguous(), upstream.float()), strict=True):
        error = (got.float() - expected).norm() / expected.norm()
        assert error < 0.01


def test_group_norm_in_float32_is_torchs() -> None:
    x, weight, bias = torch.randn(2, 4, 3, 3), torch.randn(4), torch.randn(4)
    assert torch.equal(group_norm(x, 2, weight, bias, 1e-5), F.group_norm(x, 2, weight, bias, 1e-5))


def test_time_features_tell_times_apart() -> None:
    features = time_features(torch.tensor([0.0, 0.5, 999.0]), 8)
    assert torch.equal(features[0], torch.tensor([1.0] * 4 + [0.0] * 4))
    assert (features[0] - features[1]).abs().max() > 0.1
    torch.testing.assert_close((features**2).sum(1), torch.full((3,), 4.0))
    frequencies = time_features(torch.tensor([1e-3]), 8, flip_sin_to_cos=False, downscale_freq_shift=1)[0, :4]
    torch.testing.assert_close(frequencies * 1e3, 10_000 ** -(torch.arange(4) / 3), atol=1e-6, rtol=1e-4)
