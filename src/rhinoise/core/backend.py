"""Where arithmetic happens and in what precision: device, float type, memory settings. Chosen here, once."""

import ctypes
import sys
from collections.abc import Collection
from typing import Any, Literal, TypeVar, cast

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)

Precision = Literal["auto", "fp32", "bf16"]

GLIBC = "libc.so.6"
EXHAUSTED = ("out of memory", "ALLOC_FAILED", "can't allocate memory", "not enough memory")
"""How CUDA and MPS, CUDA's libraries, Linux and macOS, and Windows say that there is none left."""


def best_device() -> torch.device:
    """CUDA, then Apple's MPS, then the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def every_device() -> list[str]:
    """Names of all devices as good as the best, as "cuda:1"; the best first."""
    best = best_device().type
    return [f"cuda:{number}" for number in range(torch.cuda.device_count())] if best == "cuda" else [best]


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


def remarks(precisions: Collection[str], device: torch.device) -> list[str]:
    """What a person should know of this machine before it computes in these precisions, in sentences."""
    said, fast = [], has_fast_bf16(device)
    if "auto" in precisions and not fast:
        said.append(f"{_NAMES[device.type]} has no fast bf16: computing in fp32, which takes longer")
    if "bf16" in precisions and not fast:
        said.append(
            f"{_NAMES[device.type]} has no fast bf16 and emulates it, slower than fp32: take precision auto"
        )
    if device.type == "cpu" and sys.platform.startswith("linux") and not tune_allocator():
        said.append(
            "this C library has no mallopt, so memory goes back to the system after every step: expect up to "
            "1.8 times the time that glibc would take"
        )
    return said


_NAMES = {"cpu": "this processor", "cuda": "this GPU", "mps": "this GPU"}


def is_exhausted(error: BaseException) -> bool:
    """Whether an error says that memory, the device's or the machine's, was not enough."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in EXHAUSTED)
    )


def is_lost(error: BaseException) -> bool:
    """Whether an error says that the GPU stopped working: this process can ask nothing of it any more.

    Its libraries have a RuntimeError of their own, when they are the first to notice.
    """
    return isinstance(error, torch.AcceleratorError) or (
        isinstance(error, RuntimeError) and str(error).startswith(("CUDA error", "cuDNN error", "HIP error"))
    )


def channels_last(module: M) -> M:
    """The same module, its filters lying in memory as convolutions are fastest: every value stays.

    What it makes of pictures then has channels last too, whatever their own order.
    """
    return cast(M, cast(Any, module).to(memory_format=torch.channels_last))


def tune_allocator() -> bool:
    """Keep freed memory in the process (glibc's mallopt): big tensors come and go at every step.

    By default glibc hands blocks above 32 MB back to the system at once and each step faults them in again;
    measured between 1.1 x and 1.8 x in training speed. Other C libraries have no mallopt: False, and nothing
    is done.
    """
    m_trim_threshold, m_mmap_threshold, large = -1, -3, 2**30
    libc = _glibc()
    if libc is None:
        return False
    libc.mallopt(m_mmap_threshold, large)
    libc.mallopt(m_trim_threshold, large)
    return True


def trim_memory() -> None:
    """Give back what `tune_allocator` has kept, so that what is free can be measured."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """The C library, where it is glibc."""
    try:
        libc = ctypes.CDLL(GLIBC)
        libc.mallopt, libc.malloc_trim  # noqa: B018, musl lends its name to a library without them
    except (OSError, AttributeError):
        return None
    return libc
