"""Weights as they are written: matrices in the type that is asked for, everything else untouched."""

import pytest
import torch

from rhinoise.nets.on_disk import TYPES, on_disk

WEIGHTS = {
    "filters": torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last),
    "matrix": torch.randn(5, 4).T,
    "bias": torch.randn(5),
    "scale": torch.tensor(1.23456789),
    "ids": torch.arange(6).reshape(2, 3),
    "measured": torch.tensor(True),
}


@pytest.mark.parametrize("kind", TYPES)
def test_matrices_are_rounded_and_nothing_else(kind: str) -> None:
    written = on_disk(WEIGHTS, kind)
    assert written.keys() == WEIGHTS.keys()
    for name, weight in WEIGHTS.items():
        wanted = TYPES[kind] if name in ("filters", "matrix") else weight.dtype
        assert written[name].dtype is wanted
        assert written[name].is_contiguous()
        assert torch.equal(written[name], weight.to(wanted))


def test_what_was_read_from_bf16_is_written_the_same() -> None:
    """Rounding twice is rounding once: a copy of a copy is no worse."""
    once = on_disk(WEIGHTS, "bf16")
    again = on_disk({name: weight.float() for name, weight in once.items()}, "bf16")
    assert all(torch.equal(again[name].float(), weight.float()) for name, weight in once.items())
