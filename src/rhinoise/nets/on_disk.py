"""In which float type weights lie on the disk. In memory they are float32, whatever they were read from."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

Weights = Literal["fp32", "bf16"]

TYPES: dict[Weights, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}


def on_disk(weights: Mapping[str, Tensor], kind: Weights) -> dict[str, Tensor]:
    """The weights as they are written: on the CPU, contiguous, matrices and filters in the type of `kind`.

    Vectors (norms, biases, the statistics of latents) stay float32: they are a hundredth of the bytes, and a
    deviation that is rounded to 8 bits would scale every latent. What is not a float stays as it is.
    """
    return {
        name: weight.detach()
        .to("cpu", TYPES[kind] if weight.is_floating_point() and weight.ndim >= 2 else weight.dtype)
        .contiguous()
        for name, weight in weights.items()
    }
