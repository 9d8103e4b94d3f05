"""The one file that knows accelerate: devices, processes, backward, clipping, the optimizer's step.

Master weights are float32 always; the arithmetic of a step runs under autocast in the type that
`core.backend` chooses for the device.
"""

import dataclasses
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from rhinoise.core.backend import Precision, float_type, tune_allocator


class Engine:
    """A task and its optimizer, prepared for this machine."""

    def __init__(self, task: nn.Module, *, weight_decay: float, clip: float, precision: Precision) -> None:
        tune_allocator()
        # Our own autocast decides the precision, not what accelerate finds in the environment.
        self.accelerator = Accelerator(mixed_precision="no")
        self.dtype = float_type(precision, self.accelerator.device)
        self.clip = clip
        self.task, self.optimizer = self.accelerator.prepare(task, adamw(task, weight_decay))

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
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        device = self.accelerator.device
        with torch.autocast(device.type, self.dtype, enabled=self.dtype is not torch.float32):
            losses = self.task(moved(batch, device))
        self.accelerator.backward(losses["loss"])
        norm = self.accelerator.clip_grad_norm_(self.task.parameters(), self.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return {name: value.detach() for name, value in losses.items()}, norm

    def optimizer_state(self) -> dict[str, Tensor]:
        """Every tensor that the optimizer remembers, as "parameter:what"."""
        names = {parameter: name for name, parameter in self.trained.items()}
        return {
            f"{names[parameter]}:{what}": torch.as_tensor(value)
            for parameter, state in self.optimizer.state.items()
            for what, value in state.items()
        }

    def load_optimizer_state(self, saved: dict[str, Tensor]) -> None:
        """Take back what `optimizer_state` gave."""
        parameters = self.trained
        for name, value in saved.items():
            path, _, what = name.rpartition(":")
            parameter = parameters[path]
            self.optimizer.state[parameter][what] = value.to(parameter.device)


def moved(batch: Any, device: torch.device) -> Any:
    """A batch, a dataclass of tensors, on another device; what is no tensor stays as it is."""
    if isinstance(batch, Tensor):
        return batch.to(device)
    if dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        values = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}
        return dataclasses.replace(batch, **{name: moved(value, device) for name, value in values.items()})
    return batch


def adamw(task: nn.Module, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019); biases, norms and other vectors do not decay."""
    trained = [parameter for parameter in task.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], betas=(0.9, 0.99), fused=True)
