"""The one file that knows accelerate: devices, processes, backward, clipping, the optimizers' step.

Master weights are float32 always; the arithmetic of a step runs under autocast in the type that
`core.backend` chooses for the device.
"""

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
                group["lr"] = learning_rate * group["lr_scale"]
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


def _split(task: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Matrices (which decay) and all the rest: biases, norms, convolutions, embeddings count as rest for Muon."""
    trained = [parameter for parameter in task.parameters() if parameter.requires_grad]
    return [p for p in trained if p.ndim >= 2], [p for p in trained if p.ndim < 2]


def _adamw(task: nn.Module, weight_decay: float) -> list[torch.optim.Optimizer]:
    matrices, vectors = _split(task)
    groups = [
        {"params": matrices, "weight_decay": weight_decay, "lr_scale": 1.0},
        {"params": vectors, "weight_decay": 0.0, "lr_scale": 1.0},
    ]
    return [torch.optim.AdamW([group for group in groups if group["params"]], betas=(0.9, 0.99), fused=True)]


OPTIMIZERS = {"adamw": _adamw}
"""Name => (task, weight decay) => optimizers, each of whose groups says how it scales the learning rate."""
