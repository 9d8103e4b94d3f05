"""The moving average of the weights that is kept as the model.

Power-function averaging (Karras et al. 2024, section 3.1): at step t the average keeps (1 - 1/t)^(gamma + 1)
of itself, so its memory is a fixed fraction of the training, however long that turns out to be.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

WIDEST = 0.28
"""The widest average there is, nearly: weights that rise evenly (gamma 0) have width 12^(-1/2) = 0.289."""


def power(width: float) -> float:
    """gamma for an average whose standard deviation is `width` of the training, in (0, WIDEST].

    The positive root of (gamma + 1) / ((gamma + 2)^2 (gamma + 3)) = width^2 (Karras et al. 2024, appendix C).
    """
    roots = np.roots([1, 7, 16 - width**-2, 12 - width**-2])
    return float(max(root.real for root in roots if abs(root.imag) < 1e-9))


class Ema:
    """Averaged copies of parameters, float32, by name."""

    def __init__(self, parameters: Mapping[str, Tensor], width: float) -> None:
        self.gamma = power(width)
        self.average = {name: value.detach().clone() for name, value in parameters.items()}

    @torch.no_grad()
    def update(self, parameters: Mapping[str, Tensor], step: int) -> None:
        """Take in the weights after step number `step`, counted from 1."""
        keep = (1 - 1 / step) ** (self.gamma + 1)
        torch._foreach_lerp_(list(self.average.values()), list(parameters.values()), 1 - keep)

    @torch.no_grad()
    def load(self, average: Mapping[str, Tensor]) -> None:
        """Take the average of a checkpoint."""
        for name, value in self.average.items():
            value.copy_(average[name])
