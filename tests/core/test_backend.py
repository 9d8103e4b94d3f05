"""What a machine can do decides how it is used, and what it cannot do is said, once."""

import ctypes
import subprocess
import sys

import pytest
import torch

from rhinoise.core import backend
from rhinoise.core.backend import float_type, has_fast_bf16, is_exhausted, is_lost, remarks, tune_allocator

CPU = torch.device("cpu")
PROCESSORS = {
    "neither": ({}, torch.float32),
    "AVX-512 without bf16": ({"avx512_f": True}, torch.float32),
    "AVX-512 with bf16": ({"avx512_f": True, "avx512_bf16": True}, torch.bfloat16),
    "AMX": ({"avx512_f": True, "amx_tile": True}, torch.bfloat16),
}


@pytest.fixture(params=PROCESSORS)
def processor(request, monkeypatch):
    """A processor that can do so much, and the float type that it computes in."""
    capabilities, dtype = PROCESSORS[request.param]
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: "avx512_bf16" in capabilities)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: "amx_tile" in capabilities)
    return dtype


def test_the_float_type_is_what_the_processor_does_fast(processor):
    assert float_type("auto", CPU) == processor
    assert has_fast_bf16(CPU) == (processor == torch.bfloat16)
    assert float_type("bf16", CPU) == torch.bfloat16
    assert float_type("fp32", CPU) == torch.float32


def test_what_is_slow_is_said_in_one_sentence(processor, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")  # of the C library nothing is said
    fast = processor == torch.bfloat16
    assert [bool(remarks([precision], CPU)) for precision in ("auto", "bf16", "fp32")] == [
        not fast,
        not fast,
        False,
    ]
    if not fast:
        assert remarks(["auto", "auto"], CPU) == [
            "this processor has no fast bf16: computing in fp32, which takes longer"
        ]
        assert "take precision auto" in remarks(["bf16"], CPU)[0]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has several C libraries")
@pytest.mark.parametrize("library", ["ld-linux-x86-64.so.2", "libnothing.so"])
def test_a_c_library_without_mallopt_is_left_untuned_and_said(library, monkeypatch):
    """The loader stands for a C library that is there and has no mallopt."""
    monkeypatch.setattr(backend, "GLIBC", library)
    assert not tune_allocator()
    assert [text for text in remarks(["fp32"], CPU) if "mallopt" in text]
    backend.trim_memory()


def test_on_glibc_there_is_nothing_to_say():
    try:
        ctypes.CDLL("libc.so.6").mallopt  # noqa: B018
    except (OSError, AttributeError):
        pytest.skip("not glibc")
    assert tune_allocator()
    assert remarks(["fp32"], CPU) == []
    backend.trim_memory()


def test_a_lost_gpu_is_told_from_other_errors():
    lost = torch.AcceleratorError("CUDA error: unspecified launch failure")
    assert is_lost(lost)
    assert is_lost(RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx`"))
    assert not is_lost(RuntimeError("mat1 and mat2 shapes cannot be multiplied (3x4 and 3x4)"))
    assert not is_lost(ValueError("CUDA error"))


EXHAUSTING = """
import resource, sys, torch
resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
from rhinoise.core.backend import is_exhausted
for take in (lambda: torch.ones(2**34), lambda: bytearray(2**35)):
    try:
        take()
    except Exception as error:
        assert is_exhausted(error)
    else:
        sys.exit("there was enough")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits are Linux'")
def test_what_really_runs_out_is_known_as_that():
    subprocess.run([sys.executable, "-c", EXHAUSTING], check=True)


SAID = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("MPS backend out of memory (MPS allocated: 5 GB)"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:80] data. DefaultCPUAllocator: not enough memory: you tried"
    ),
)


@pytest.mark.parametrize("error", SAID, ids=str)
def test_every_system_says_it_in_its_words(error):
    assert is_exhausted(error)


def test_other_errors_are_something_else():
    assert not is_exhausted(RuntimeError("mat1 and mat2 shapes cannot be multiplied (3x4 and 3x4)"))
    assert not is_exhausted(ValueError("out of memory"))
