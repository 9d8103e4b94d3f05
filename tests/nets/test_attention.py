"""What is recorded of a network's attention is what its attention does."""

import pytest
import torch
from torch import Tensor, nn

from rhinoise.core.errors import ConfigError
from rhinoise.core.shapes import TextEmbedding
from rhinoise.nets.attention import attending, grid, recorded
from rhinoise.nets.layers import Attention, attention, attention_shares
from rhinoise.nets.network import NETWORKS
from rhinoise.nets.transformer import SelfAttention, TransformerConfig, rotary_table
from rhinoise.nets.unet import UNet, UNetConfig
from rhinoise.nets.uvit import UViTConfig

UNET = {
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": (8, 16),
    "heads": (2, 2),
    "transformer_layers": (1, 2),
    "cross_attention_dim": 6,
    "norm_num_groups": 4,
}
TRANSFORMER = {
    "sample_size": 8,
    "channels": 4,
    "patch_size": 2,
    "width": 16,
    "depth": 3,
    "heads": 2,
    "text_width": 6,
    "pooled_width": 5,
}
CONFIGS = {
    "unet": UNetConfig(attention=(True, True), **UNET),
    "transformer": TransformerConfig(text="in_context", **TRANSFORMER),
    "transformer, cross-attention": TransformerConfig(text="cross_attention", **TRANSFORMER),
    "uvit": UViTConfig(
        sample_size=8,
        channels=4,
        fine_width=8,
        fine_blocks=1,
        width=16,
        depth=3,
        heads=2,
        text_width=6,
        pooled_width=5,
        patch_size=2,
    ),
}
CROSS = ("unet", "transformer, cross-attention")
LENGTHS = (7, 3)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def build(name: str) -> nn.Module:
    network = NETWORKS[name.split(",")[0]][1](CONFIGS[name])
    for parameter in network.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.3)
    return network.eval()


def inputs(height: int = 8, width: int = 8) -> tuple[Tensor, Tensor, TextEmbedding]:
    text = TextEmbedding(
        tokens=torch.randn(2, 7, 6),
        mask=torch.arange(7)[None] < torch.tensor(LENGTHS)[:, None],
        pooled=torch.randn(2, 5),
    )
    return torch.randn(2, 4, height, width), torch.rand(2) * 1000, text


def test_every_network_is_tested() -> None:
    assert {name.split(",")[0] for name in CONFIGS} == set(NETWORKS)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.no_grad()
def test_recording_changes_nothing(name: str, dtype: torch.dtype) -> None:
    network, (x, time, text) = build(name).to(dtype), inputs()
    given = x.to(dtype), time, text.to("cpu", dtype)
    before = network(*given)
    with recorded(network) as looks:
        assert torch.equal(network(*given), before)
    number = len(looks)
    assert number == len(attending(network)) > 2
    assert torch.equal(network(*given), before)
    assert len(looks) == number  # nobody records any more


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("size", [(8, 8), (12, 20)])
@torch.no_grad()
def test_shares_sum_to_one_and_padding_gets_none(name: str, size: tuple[int, int]) -> None:
    network = build(name)
    with recorded(network) as looks:
        network(*inputs(*size))
    for look in looks:
        rows, columns = look.picture.shape[1:]
        assert rows * size[1] == columns * size[0]  # of the picture's shape
        assert look.text.dtype == torch.float32
        torch.testing.assert_close(look.text.sum(1) + look.picture, torch.ones_like(look.picture))
        assert look.text.min() >= 0
        if name != "unet":  # which sees padding, as stock pipelines have it
            assert not look.text[1, LENGTHS[1] :].any()
        assert look.picture.any() == (name not in CROSS)
    if name == "unet":
        assert len({look.picture.shape for look in looks}) == 2


@pytest.mark.parametrize("name", CONFIGS)
@torch.no_grad()
def test_of_a_batch_the_first_can_be_recorded_alone(name: str) -> None:
    network, given = build(name), inputs()
    with recorded(network) as both:
        network(*given)
    with recorded(network, 1) as first:
        network(*given)
    for all_, one in zip(both, first, strict=True):
        assert one.text.shape[0] == 1
        torch.testing.assert_close(one.text, all_.text[:1])
        torch.testing.assert_close(one.picture, all_.picture[:1])


@torch.no_grad()
def test_hand_made_queries_and_keys_have_the_closed_form() -> None:
    """Keys of 0 and log 3 (times sqrt d): shares of 1 : 3, and with the second masked, of 1 : 0."""
    layer = Attention(4, 4, heads=1, bias=False)
    query, key = torch.eye(4)[None, :2], torch.zeros(1, 2, 4)
    key[0, 1, 0] = 2 * torch.tensor(3.0).log()
    expected = torch.tensor([[[[0.25, 0.75], [0.5, 0.5]]]])
    torch.testing.assert_close(layer.shares(query, key, None), expected)
    masked = layer.shares(query, key, torch.tensor([[True, False]]))
    torch.testing.assert_close(masked, torch.tensor([[[[1.0, 0], [1.0, 0]]]]))


@pytest.mark.parametrize("masked", [False, True])
def test_the_shares_are_those_that_attention_mixes_values_by(masked: bool) -> None:
    q, k, v = torch.randn(2, 3, 5, 8), torch.randn(2, 3, 6, 8), torch.randn(2, 3, 6, 4)
    mask = torch.arange(6)[None] < torch.tensor([[2], [5]]) if masked else None
    torch.testing.assert_close(attention_shares(q, k, mask) @ v, attention(q, k, v, mask))


@torch.no_grad()
def test_in_context_the_shares_are_those_of_the_turned_tokens() -> None:
    layer = SelfAttention(16, heads=2)
    x, table = torch.randn(2, 12, 16), rotary_table(3, 3, 3, 8, torch.device("cpu"), torch.float32)
    mask = torch.arange(12)[None] < torch.tensor([[12], [10]])
    packed = layer.query_key_value(x)
    values = packed.view(2, 12, 3, 2, 8)[:, :, 2].transpose(1, 2)
    mixed = (layer.shares(packed, table, mask) @ values).transpose(1, 2).flatten(2)
    torch.testing.assert_close(layer.out(mixed), layer(x, table, mask))


@torch.no_grad()
def test_a_network_that_fails_is_left_as_it_was() -> None:
    network, (x, time, text) = build("uvit"), inputs()
    with recorded(network) as looks, pytest.raises(RuntimeError):
        network(x, time, TextEmbedding(tokens=text.tokens[..., :5], mask=text.mask, pooled=text.pooled))
    looks.clear()
    network(x, time, text)
    assert not looks


def test_networks_without_words_are_refused() -> None:
    blind = UNet(UNetConfig(attention=(False, False), mid_attention=False, **UNET))
    for network in (blind, lambda x, time, text: x):
        with pytest.raises(ConfigError, match="no attention to words"), recorded(network):
            pass


@pytest.mark.parametrize(
    ("size", "tokens", "expected"),
    [
        ((8, 8), 64, (8, 8)),
        ((9, 5), 15, (5, 3)),
        ((9, 5), 6, (3, 2)),
        ((12, 20), 60, (6, 10)),
        ((7, 7), 1, (1, 1)),
    ],
)
def test_rows_and_columns_follow_from_the_number_of_tokens(
    size: tuple[int, int], tokens: int, expected: tuple[int, int]
) -> None:
    assert grid(size, tokens) == expected
