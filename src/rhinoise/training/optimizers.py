"""What makes steps of gradients: a table of optimizers.

adamw          AdamW for everything                                 Loshchilov & Hutter 2019
muon           Muon for the blocks' matrices and kernels            Jordan et al. 2024
muon_kernels   Muon for the blocks' kernels of convolutions alone   the same; see docs/log.md

What Muon does not take, AdamW does. A Newton-Schulz iteration costs the same whatever the batch, and there
are fewer kernels than matrices: on a small batch Muon for kernels alone is free and has nearly all the gain.
"""

import math
from collections.abc import Callable, Iterable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rhinoise.core.backend import float_type

MOMENTUM = 0.95
"""Of Muon (Jordan et al. 2024); AdamW's are 0.9 and 0.99."""
QUINTIC = (3.4445, -4.7750, 2.0315)
"""a x + b x^3 + c x^5 lifts every singular value towards 1, small ones fast (Jordan et al. 2024)."""
ITERATIONS = 5
ADAMW_RMS = 0.2
"""How far AdamW's steps move a number, in learning rates: so one rate serves both (Liu et al. 2025)."""


def adamw(parameters: Iterable[nn.Parameter], weight_decay: float) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019); biases, norms and other vectors do not decay."""
    trained = list(parameters)
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], betas=(0.9, 0.99), fused=True)


def orthogonal(x: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows columns"]:
    """The matrix, its singular values brought to about 1 (Newton-Schulz; Jordan et al. 2024)."""
    wide = (x.mT if len(x) > x.shape[1] else x).to(float_type("auto", x.device))
    wide = wide / wide.norm().clamp(min=1e-7)
    a, b, c = QUINTIC
    for _ in range(ITERATIONS):
        square = wide @ wide.mT
        wide = torch.addmm(wide, torch.addmm(square, square, square, beta=b, alpha=c), wide, beta=a)
    return wide.mT if len(x) > x.shape[1] else wide


class Muon(torch.optim.Optimizer):
    """Momentum whose matrices are made orthogonal (Jordan et al. 2024): every direction moves alike.

    `torch.optim.Muon` with steps of AdamW's size (Liu et al. 2025, eq. 4), and for kernels of convolutions
    too, which are matrices of output channels by everything else.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], weight_decay: float) -> None:
        super().__init__(parameters, {"lr": 0.0, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group["lr"], group["weight_decay"])

    def _move(self, parameter: nn.Parameter, rate: float, weight_decay: float) -> None:
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        momentum = state.setdefault("momentum", torch.zeros_like(parameter))
        momentum.lerp_(gradient, 1 - MOMENTUM)
        matrix = gradient.lerp(momentum, MOMENTUM).flatten(1)  # Nesterov's
        step = ADAMW_RMS * math.sqrt(max(matrix.shape)) * orthogonal(matrix)
        parameter.mul_(1 - rate * weight_decay).sub_(step.view(parameter.shape), alpha=rate)


def in_blocks(task: nn.Module, *, axes: int) -> dict[str, nn.Parameter]:
    """What learns within lists of blocks and has so many axes: not what leads in, out, or tells the time."""
    return {
        name: parameter
        for name, parameter in task.named_parameters()
        if parameter.requires_grad and parameter.ndim >= axes and any(map(str.isdigit, name.split(".")))
    }


def _trained(task: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in task.parameters() if parameter.requires_grad]


def _muon(task: nn.Module, weight_decay: float, *, axes: int) -> list[torch.optim.Optimizer]:
    chosen = in_blocks(task, axes=axes).values()
    if not chosen:
        return [adamw(_trained(task), weight_decay)]
    taken = set(chosen)
    others = [parameter for parameter in _trained(task) if parameter not in taken]
    return [adamw(others, weight_decay), Muon(chosen, weight_decay)]


OPTIMIZERS: dict[str, Callable[[nn.Module, float], list[torch.optim.Optimizer]]] = {
    "adamw": lambda task, weight_decay: [adamw(_trained(task), weight_decay)],
    "muon": partial(_muon, axes=2),
    "muon_kernels": partial(_muon, axes=4),
}
"""(task, weight decay) => optimizers, each of some of its parameters; they take the same learning rate."""
