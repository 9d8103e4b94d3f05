"""The one file that knows accelerate: devices, processes, backward, clipping, the optimizers' step.

Master weights are float32 always; the arithmetic of a step runs under autocast in the type that
`core.backend` chooses for the device.
"""

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from rhinoise.core.backend import Precision, channels_last, float_type, tune_allocator
from rhinoise.training.batches import mapped
from rhinoise.training.optimizers import OPTIMIZERS

Compiler = Literal["none", "inductor", "aot_eager"]
"""A backend of torch.compile: inductor fuses small kernels, aot_eager only records and replays them."""


class Engine:
    """A task and its optimizers, prepared for this machine."""

    def __init__(
        self,
        task: nn.Module,
        *,
        optimizer: str,
        weight_decay: float,
        clip: float,
        precision: Precision,
        compiler: Compiler = "none",
    ) -> None:
        tune_allocator()
        # Our own autocast decides the precision, not what accelerate finds in the environment.
        self.accelerator = Accelerator(mixed_precision="no")
        self.dtype = float_type(precision, self.accelerator.device)
        self.clip = clip
        task = channels_last(task)
        if compiler != "none":
            # Tables that are kept from call to call become a part of the compiled step: nothing goes stale.
            warnings.filterwarnings("ignore", message=r"Dynamo detected a call to a `functools.lru_cache`")
            task.compile(backend=compiler)
        task.zero_grad()  # a step that memory ran out in has left what its first parts gave
        self.task, *self.optimizers = self.accelerator.prepare(
            task, *OPTIMIZERS[optimizer](task, weight_decay)
        )

    @property
    def module(self) -> nn.Module:
        """The task itself, without what accelerate wraps around it."""
        return self.accelerator.unwrap_model(self.task)

    @property
    def trained(self) -> dict[str, nn.Parameter]:
        """The parameters that learn, by name."""
        return {name: value for name, value in self.module.named_parameters() if value.requires_grad}

    def step(
        self, parts: Sequence[tuple[Any, float]], learning_rate: float
    ) -> tuple[dict[str, Tensor], Tensor]:
        """One optimizer step on one batch, in parts with their shares of it.

        => the batch's losses and the norm of its gradient before clipping, when every loss is a mean over
        pictures, the same as of the whole batch at once.
        """
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
        device = self.accelerator.device
        whole: dict[str, Tensor] = {}
        for batch, share in parts:
            with torch.autocast(device.type, self.dtype, enabled=self.dtype is not torch.float32):
                losses = self.task(moved(batch, device))
            self.accelerator.backward(share * losses["loss"])
            for name, value in losses.items():
                whole[name] = whole.get(name, 0.0) + share * value.detach()
        norm = self.accelerator.clip_grad_norm_(self.task.parameters(), self.clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return whole, norm

    def optimizer_state(self) -> dict[str, Tensor]:
        """Every tensor that the optimizers remember, as "parameter:what"."""
        names = {parameter: name for name, parameter in self.trained.items()}
        return {
            f"{names[parameter]}:{what}": torch.as_tensor(value)
            for optimizer in self.optimizers
            for parameter, state in optimizer.state.items()
            for what, value in state.items()
        }

    def load_optimizer_state(self, saved: dict[str, Tensor]) -> None:
        """Take back what `optimizer_state` gave."""
        parameters = self.trained
        states: dict[nn.Parameter, Any] = {}
        for optimizer in self.optimizers:
            optimizer.state.clear()
            held = (parameter for group in optimizer.param_groups for parameter in group["params"])
            states |= dict.fromkeys(held, optimizer.state)
        for name, value in saved.items():
            path, _, what = name.rpartition(":")
            parameter = parameters[path]
            # In the parameter's own order in memory: the fused optimizer walks both as one row of numbers.
            own = (
                torch.empty_like(parameter)
                if value.shape == parameter.shape
                else torch.empty_like(value, device=parameter.device)
            )
            states[parameter][parameter][what] = own.copy_(value)


def moved(batch: Any, device: torch.device) -> Any:
    """A batch on another device."""
    return mapped(batch, lambda tensor: tensor.to(device))
