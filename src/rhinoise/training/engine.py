"""The one file that knows accelerate: devices, processes, backward, clipping, the optimizers' step.

Master weights are float32 always; the arithmetic of a step runs under autocast in the type that
`core.backend` chooses for the device.
"""

from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from rhinoise.core.backend import Precision, float_type, tune_allocator

OptimizerName = Literal["adamw", "muon"]


class Engine:
    """A task and its optimizers, prepared for this machine."""

    def __init__(
        self,
        task: nn.Module,
        *,
        optimizer: OptimizerName,
        weight_decay: float,
        clip: float,
        precision: Precision,
    ) -> None:
        tune_allocator()
        self.accelerator = Accelerator()
        self.dtype = float_type(precision, self.accelerator.device)
        self.clip = clip
        optimizers = OPTIMIZERS[optimizer](task, weight_decay)
        self.task, *self.optimizers = self.accelerator.prepare(task, *optimizers)

    @property
    def module(self) -> nn.Module:
        """The task itself, without what accelerate wraps around it."""
        return self.accelerator.unwrap_model(self.task)

    @property
    def trained(self) -> dict[str, nn.Parameter]:
        """The parameters that learn, by name."""
        return {name: value for name, value in self.module.named_parameters() if value.requires_grad}

    def step(self, batch: Any, learning_rate: float) -> tuple[dict[str, Tensor], Tensor]:
        """One optimizer step on one batch => the losses and the norm of the gradient before clipping."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
        device = self.accelerator.device
        with torch.autocast(device.type, self.dtype, enabled=self.dtype is not torch.float32):
            losses = self.task(batch)
        self.accelerator.backward(losses["loss"])
        norm = self.accelerator.clip_grad_norm_(self.task.parameters(), self.clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return {name: value.detach() for name, value in losses.items()}, norm

    def optimizer_state(self) -> dict[str, Tensor]:
        """Every tensor that the optimizers remember, by parameter name."""
        names = {parameter: name for name, parameter in self.trained.items()}
        return {
            f"{names[parameter]}:{key}": torch.as_tensor(value)
            for optimizer in self.optimizers
            for parameter, state in optimizer.state.items()
            for key, value in state.items()
        }

    def load_optimizer_state(self, saved: dict[str, Tensor]) -> None:
        """Take back what `optimizer_state` gave."""
        parameters = self.trained
        owners = {
            parameter: optimizer
            for optimizer in self.optimizers
            for group in optimizer.param_groups
            for parameter in group["params"]
        }
        for name, value in saved.items():
            path, _, key = name.rpartition(":")
            parameter = parameters[path]
            # AdamW keeps its step count on the CPU, whatever the device of the weights.
            owners[parameter].state[parameter][key] = value if key == "step" else value.to(parameter.device)


def _adamw(parameters: Iterable[nn.Parameter], weight_decay: float) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019); biases, norms and other vectors do not decay."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], betas=(0.9, 0.99), fused=True)


def _muon(task: nn.Module, weight_decay: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of repeated blocks (Jordan et al. 2024), AdamW for the rest.

    Its steps are scaled to AdamW's size (Liu et al. 2025, section 2.2), so that one learning rate serves both.
    """
    hidden = {
        layer.weight: None
        for blocks in task.modules()
        if isinstance(blocks, nn.ModuleList)
        for layer in blocks.modules()
        if isinstance(layer, nn.Linear) and layer.weight.requires_grad
    }
    muon = torch.optim.Muon(hidden, lr=1e-3, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
    return [muon, _adamw((p for p in task.parameters() if p not in hidden), weight_decay)]


OPTIMIZERS: dict[str, Callable[[nn.Module, float], list[torch.optim.Optimizer]]] = {
    "adamw": lambda task, weight_decay: [_adamw(task.parameters(), weight_decay)],
    "muon": _muon,
}
"""(task, weight decay) => optimizers. `Engine.step` sets their learning rate."""
