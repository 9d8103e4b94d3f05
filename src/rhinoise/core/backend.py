"""Where arithmetic happens and in what precision: device, float type, memory settings. Chosen here, once."""

import contextlib
import ctypes
import sys
from typing import Literal

import torch

Precision = Literal["auto", "fp32", "bf16"]


def best_device() -> torch.device:
    """CUDA, then Apple's MPS, then the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def has_fast_bf16(device: torch.device) -> bool:
    """Whether bf16 arithmetic is done by the processor and not emulated."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def float_type(precision: Precision, device: torch.device) -> torch.dtype:
    """The float type of the arithmetic; "auto" takes bf16 where the processor has it."""
    if precision == "auto":
        return torch.bfloat16 if has_fast_bf16(device) else torch.float32
    return {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]


def tune_allocator() -> None:
    """Keep freed memory in the process (glibc's mallopt): big tensors come and go at every step.

    By default glibc hands blocks above 32 MB back to the system at once and each step faults them in again;
    measured between 1.1 x and 1.8 x in training speed. Other C libraries have no mallopt: nothing is done.
    """
    if not sys.platform.startswith("linux"):
        return
    m_trim_threshold, m_mmap_threshold, large = -1, -3, 2**30
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(m_mmap_threshold, large)
        libc.mallopt(m_trim_threshold, large)
