"""What a denoiser holds inside while it looks at noisy pictures: one vector per picture and depth.

The mean over all places of a block's output, without a caption told, after Xiang et al. (2023), "Denoising
Diffusion Autoencoders are Unified Self-supervised Learners".
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rhinoise.core.errors import ConfigError
from rhinoise.core.random import noise_source
from rhinoise.core.shapes import Latents
from rhinoise.nets.transformer import Transformer
from rhinoise.nets.unet import UNet
from rhinoise.nets.uvit import UViT
from rhinoise.pipeline.latent_diffusion import LatentDiffusion

BATCH = 32
"""Pictures that the denoiser sees at a time."""

States = dict[str, Float[Tensor, "b d"]]
"""Depth by name, in the order of the way through => one vector per picture."""

Pool = Callable[[tuple[Any, ...], Any], Float[Tensor, "b d"]]
"""(a module's arguments, its output) => one vector per picture."""

Depth = tuple[str, nn.Module, Pool]


def _pictures(arguments: tuple[Any, ...], output: Any) -> Float[Tensor, "b d"]:
    """The output is "b c h w", or several of them, of which the last."""
    return (output[-1] if isinstance(output, list) else output).mean((2, 3))


def _channels_last(arguments: tuple[Any, ...], output: Any) -> Float[Tensor, "b d"]:
    return output.mean((1, 2))


def _tokens(arguments: tuple[Any, ...], output: Any) -> Float[Tensor, "b d"]:
    return output.mean(1)


def _tokens_before_words(arguments: tuple[Any, ...], output: Any) -> Float[Tensor, "b d"]:
    """The picture's tokens come first; the words are a block's fourth argument."""
    return output[:, : output.shape[1] - arguments[3].shape[1]].mean(1)


def _unet(network: UNet) -> list[Depth]:
    return [
        *((f"down {i + 1}", level, _pictures) for i, level in enumerate(network.down)),
        ("middle", network.mid, _pictures),
        *((f"up {i + 1}", level, _pictures) for i, level in enumerate(network.up)),
    ]


def _transformer(network: Transformer) -> list[Depth]:
    pool = _tokens_before_words if network.config.text == "in_context" else _tokens
    return [(f"block {i + 1}", block, pool) for i, block in enumerate(network.blocks)]


def _uvit(network: UViT) -> list[Depth]:
    return [
        *((f"fine in {i + 1}", block, _channels_last) for i, block in enumerate(network.before)),
        *((f"block {i + 1}", block, _tokens_before_words) for i, block in enumerate(network.blocks)),
        *((f"fine out {i + 1}", block, _channels_last) for i, block in enumerate(network.after)),
    ]


DEPTHS: dict[type[nn.Module], Callable[[Any], list[Depth]]] = {
    UNet: _unet,
    Transformer: _transformer,
    UViT: _uvit,
}
"""Network => where its inner states are read, in the order of the way through."""


def depths(network: nn.Module) -> list[str]:
    """The names of a network's depths; ConfigError for a network that nobody said where to read."""
    return [name for name, _, _ in _depths(network)]


@contextmanager
def recorded(network: nn.Module) -> Iterator[States]:
    """What a network holds inside at its latest call, by depth, in float32."""
    states: States = {}

    def keep(name: str, pool: Pool) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def hook(module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
            states[name] = pool(arguments, output).float().cpu()

        return hook

    handles = [module.register_forward_hook(keep(name, pool)) for name, module, pool in _depths(network)]
    try:
        yield states
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def inner_states(model: LatentDiffusion, latents: Latents, time: float, *, seed: int = 0) -> Iterator[States]:
    """The denoiser's states for clean latents noised to `time` in (0, 1], BATCH by BATCH.

    The noise of a picture depends on `seed` and its place alone; no caption is told.
    """
    level = model.schedule(torch.tensor([time])).to(model.device)
    unconditional = model.embed([""])
    network = model.denoiser.network
    assert isinstance(network, nn.Module)
    for start in range(0, len(latents), BATCH):
        x0 = latents[start : start + BATCH]
        eps = noise_source(seed, range(start, start + len(x0)), x0.shape[1:], model.device)(0)
        x = level.add_noise(x0.to(model.device), eps)
        with recorded(network) as states:
            model.denoiser.answer(x, level, unconditional.repeat(len(x)))
        yield states


def standardised(vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Every number with mean 0 and variance 1 over the pictures: else a few loud ones are all distance."""
    return (vectors - vectors.mean(0)) / vectors.std(0).clamp(min=1e-6)


def joined(parts: Sequence[States]) -> States:
    """Batches as one."""
    return {name: torch.cat([part[name] for part in parts]) for name in (parts[0] if parts else ())}


def _depths(network: nn.Module) -> list[Depth]:
    for kind, read in DEPTHS.items():
        if isinstance(network, kind):
            return read(network)
    raise ConfigError(
        f"where to look into a {type(network).__name__} is not known: wanted "
        f"{', '.join(kind.__name__ for kind in DEPTHS)}"
    )
