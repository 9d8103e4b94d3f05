"""What a set of weights is called."""

import torch
from torch import nn

from rhinoise.core.files import digest


def fingerprint(model: nn.Module, *more: str) -> str:
    """SHA-256, in hex, of every weight's name, type, shape and bytes, and of `more`: a key for caches."""
    parts: list[str | bytes] = [*more]
    for name, weight in sorted(model.state_dict().items()):
        raw = weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        parts += [f"{name} {weight.dtype} {tuple(weight.shape)}", raw.numpy().tobytes()]
    return digest(*parts)
