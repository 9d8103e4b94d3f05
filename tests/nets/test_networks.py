"""What every denoising network promises, over the table of networks."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from rhinoise.core.errors import ConfigError
from rhinoise.core.shapes import TextEmbedding
from rhinoise.nets.kernels import rotate
from rhinoise.nets.network import NETWORKS
from rhinoise.nets.transformer import TransformerConfig, rotary_table
from rhinoise.nets.unet import UNetConfig
from rhinoise.nets.uvit import UViTConfig

TRANSFORMER = TransformerConfig(
    sample_size=8,
    channels=4,
    patch_size=2,
    width=16,
    depth=2,
    heads=2,
    text="in_context",
    text_width=6,
    pooled_width=5,
)
UVIT = UViTConfig(
    sample_size=8,
    channels=4,
    fine_width=8,
    fine_blocks=2,
    width=16,
    depth=2,
    heads=2,
    text_width=6,
    pooled_width=5,
)
CONFIGS = {
    "unet": UNetConfig(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 16),
        attention=(False, True),
        heads=(2, 2),
        transformer_layers=(1, 1),
        cross_attention_dim=6,
        norm_num_groups=4,
    ),
    "transformer": TRANSFORMER,
    "transformer, cross-attention": replace(TRANSFORMER, text="cross_attention"),
    "uvit": UVIT,
    "uvit, no pooled vector": replace(UVIT, pooled_width=0),
    "uvit, folded latents": replace(UVIT, patch_size=2),
    "transformer, no pooled vector, single latents": replace(TRANSFORMER, pooled_width=0, patch_size=1),
}
TRANSFORMERS = [name for name in CONFIGS if name.startswith(("transformer", "uvit"))]


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def build(name: str) -> nn.Module:
    """The network, with what starts at zero moved away from it, as training would."""
    network = NETWORKS[name.split(",")[0]][1](CONFIGS[name])
    for parameter in network.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.3)
    return network


def inputs(count: int = 3, height: int = 8, width: int = 8) -> tuple[Tensor, Tensor, TextEmbedding]:
    text = TextEmbedding(
        tokens=torch.randn(count, 7, 6),
        mask=torch.arange(7)[None] < torch.tensor([7, 3, 1])[:count, None],
        pooled=torch.randn(count, 5),
    )
    return torch.randn(count, 4, height, width), torch.rand(count) * 1000, text


def test_every_network_is_tested() -> None:
    assert {name.split(",")[0] for name in CONFIGS} == set(NETWORKS)
    assert all(isinstance(CONFIGS[name], config) for name, (config, _) in NETWORKS.items())


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("size", [(8, 8), (4, 12)])
@torch.no_grad()
def test_the_batch_does_not_matter(name: str, size: tuple[int, int]) -> None:
    network = build(name)
    x, time, text = inputs(3, *size)
    together = network(x, time, text)
    assert together.shape == x.shape
    alone = torch.cat([network(x[i : i + 1], time[i : i + 1], text[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_memory_format_and_precision_do_not_matter(name: str) -> None:
    network, (x, time, text) = build(name), inputs()
    plain = network(x, time, text)
    channels_last = network.to(memory_format=torch.channels_last)
    x_last = x.to(memory_format=torch.channels_last)
    torch.testing.assert_close(channels_last(x_last, time, text), plain, atol=1e-5, rtol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        half = channels_last(x_last, time, text)
    assert half.dtype == torch.bfloat16
    assert (half.float() - plain).norm() / plain.norm() < 0.05
    half.float().square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("name", CONFIGS)
@torch.no_grad()
def test_time_and_text_are_heard(name: str) -> None:
    network, (x, time, text) = build(name), inputs()
    answer = network(x, time, text)
    assert (network(x, time + 1, text) - answer).abs().max() > 1e-5
    other = TextEmbedding(tokens=text.tokens.flip(2), mask=text.mask, pooled=text.pooled)
    assert (network(x, time, other) - answer).abs().max() > 1e-5


@pytest.mark.parametrize("name", TRANSFORMERS)
@torch.no_grad()
def test_padding_says_nothing(name: str) -> None:
    network, (x, time, text) = build(name), inputs()
    mask = text.mask.clone()
    mask[0] = False  # a caption of padding alone
    other = torch.where(mask[:, :, None], text.tokens, 100 * torch.randn_like(text.tokens))
    answers = [
        network(x, time, TextEmbedding(tokens=tokens, mask=mask, pooled=text.pooled))
        for tokens in (text.tokens, other)
    ]
    torch.testing.assert_close(*answers, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_a_new_transformer_answers_zero_and_its_blocks_are_the_identity(name: str) -> None:
    network = NETWORKS[name.split(",")[0]][1](CONFIGS[name])
    x, time, text = inputs()
    seen: list[Tensor] = []
    for block in network.blocks:
        block.register_forward_hook(lambda block, arguments, answer: seen.extend([arguments[0], answer]))
    assert not network(x, time, text).any()
    assert all(torch.equal(before, after) for before, after in zip(seen[::2], seen[1::2], strict=True))


def test_sampling_first_does_not_hinder_training() -> None:
    """Tables cached in inference mode once could not be saved for the backward pass."""
    network, (x, time, text) = build("transformer"), inputs(3, 12, 20)
    with torch.inference_mode():
        network(x, time, text)
    network(x, time, text).sum().backward()


def test_rotary_positions_are_relative() -> None:
    """One query and one key at every token: their product depends on the distance alone."""
    height, width = 5, 6
    table = rotary_table(height, width, 2, 8, torch.device("cpu"), torch.float32)
    query, key = torch.randn(2, 8)
    q, k = (rotate(vector.expand(height * width + 2, 8), table) for vector in (query, key))
    torch.testing.assert_close(q.norm(dim=-1), query.norm().expand(len(q)))
    assert torch.equal(q[-2:], query.expand(2, 8))
    grid = (q[:-2] @ k[:-2].T).view(height, width, height, width)
    torch.testing.assert_close(grid[1:, 1:, 1:, 1:], grid[:-1, :-1, :-1, :-1], atol=1e-5, rtol=1e-5)
    assert (grid[0, 0, 1, 0] - grid[0, 0, 0, 1]).abs() > 1e-4
    assert (grid[0, 0, 1, 2] - grid[0, 0, 1, 1]).abs() > 1e-4


@pytest.mark.parametrize(
    ("config", "change", "message"),
    [
        (TRANSFORMER, {"width": 20}, "width 20"),
        (TRANSFORMER, {"patch_size": 3}, "patches of 3"),
        (CONFIGS["unet"], {"heads": (2,)}, "2 values of heads, not 1"),
        (CONFIGS["unet"], {"norm_num_groups": 5}, "5 groups"),
    ],
)
def test_shapes_that_do_not_fit(config: UNetConfig | TransformerConfig, change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(config, **change)
