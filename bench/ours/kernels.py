"""The ceilings: the fastest that this machine multiplies, convolves and moves memory, through torch."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.child import serve
from bench.timing import seconds_each
from rhinoise.core.backend import best_device, has_fast_bf16, tune_allocator

DEVICE = best_device()
TYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
SCALE = 8 if DEVICE.type == "cuda" else 1
"""How much longer the rows are on a GPU, which smaller products cannot fill."""


def _product(dtype: torch.dtype) -> tuple[Callable[..., Tensor], list[Tensor], float]:
    """A square matrix product."""
    n = 1536 * min(SCALE, 4)
    a, b = (torch.randn(n, n, dtype=dtype, device=DEVICE) for _ in range(2))
    return torch.matmul, [a, b], 2 * n**3


def _linear(dtype: torch.dtype) -> tuple[Callable[..., Tensor], list[Tensor], float]:
    """A linear layer of width 1024 over 4096 tokens."""
    rows, width = 4096 * SCALE, 1024
    x = torch.randn(rows, width, dtype=dtype, device=DEVICE)
    weight = torch.randn(width, width, dtype=dtype, device=DEVICE) / 32
    return F.linear, [x, weight], 2 * rows * width**2


def _convolution(dtype: torch.dtype) -> tuple[Callable[..., Tensor], list[Tensor], float]:
    """3 x 3, 128 to 128 channels, 32 pictures of 32 x 32, channels last."""
    batch, width, size = 32 * SCALE, 128, 32
    x = torch.randn(batch, width, size, size, dtype=dtype, device=DEVICE)
    weight = torch.randn(width, width, 3, 3, dtype=dtype, device=DEVICE) / 32
    x, weight = (tensor.contiguous(memory_format=torch.channels_last) for tensor in (x, weight))

    def convolve(x: Tensor, weight: Tensor) -> Tensor:
        return F.conv2d(x, weight, padding=1)

    return convolve, [x, weight], 2 * batch * size**2 * width**2 * 9


KINDS = {"product": _product, "linear": _linear, "convolution": _convolution}


def rate(kind: str, dtype: str, backward: bool, seconds: float) -> float:
    """GFLOP/s sustained for so many seconds; a backward pass is two more of the same product."""
    function, inputs, flops = KINDS[kind](TYPES[dtype])
    if not backward:
        with torch.no_grad():
            return flops / _each(lambda: function(*inputs), seconds) / 1e9
    for tensor in inputs:
        tensor.requires_grad_()
    gradient = torch.randn_like(function(*inputs))

    def there_and_back() -> None:
        torch.autograd.grad(function(*inputs), inputs, gradient)

    return 3 * flops / _each(there_and_back, seconds) / 1e9


def ceiling(backward: bool, seconds: float) -> float:
    """GFLOP/s of the fastest kind, in the type that training and drawing take here."""
    dtype = "bf16" if has_fast_bf16(DEVICE) else "fp32"
    return max(rate(kind, dtype, backward, seconds / len(KINDS)) for kind in KINDS)


def reference(seconds: float) -> float:
    """GFLOP/s of one and the same small product, for the noise of the run."""
    return rate("linear", "fp32", False, seconds)


def stream(seconds: float) -> float:
    """GB/s of y = a x + y over arrays far larger than the caches: two reads and a write."""
    x, y = (torch.randn(2**25 * SCALE, device=DEVICE) for _ in range(2))
    return 3 * x.nbytes / _each(lambda: y.add_(x, alpha=0.5), seconds) / 1e9


def _each(run: Callable[[], object], seconds: float) -> float:
    def waited() -> None:
        run()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()

    return seconds_each(waited, seconds, warm_up=2, least=3)


if __name__ == "__main__":
    tune_allocator()
    serve({"rate": rate, "ceiling": ceiling, "reference": reference, "stream": stream})
