"""Drawing by diffusers' averaged weights."""

from collections.abc import Iterator
from contextlib import contextmanager

from diffusers.training_utils import EMAModel
from torch import nn


@contextmanager
def weights_of(network: nn.Module, average: EMAModel, weights: str) -> Iterator[None]:
    """The network holds its "raw" weights, or the "ema" ones, within."""
    if weights == "raw":
        yield
        return
    average.store(network.parameters())
    average.copy_to(network.parameters())
    yield
    average.restore(network.parameters())
