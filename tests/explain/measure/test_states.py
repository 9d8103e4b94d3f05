"""A denoiser's inner states: complete, repeatable, and without a trace left behind."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from rhinoise.core.errors import ConfigError
from rhinoise.core.shapes import TextEmbedding
from rhinoise.explain.measure.states import DEPTHS, depths, recorded, standardised
from rhinoise.nets.transformer import Transformer, TransformerConfig
from rhinoise.nets.unet import UNet, UNetConfig
from rhinoise.nets.uvit import UViT, UViTConfig

TRANSFORMER = TransformerConfig(
    sample_size=4, channels=4, patch_size=2, width=16, depth=2, heads=2, text="in_context", text_width=8
)
NETWORKS: dict[str, nn.Module] = {
    "unet": UNet(
        UNetConfig(
            sample_size=4,
            in_channels=4,
            out_channels=4,
            block_out_channels=(8, 16),
            attention=(False, True),
            heads=(1, 2),
            transformer_layers=(1, 1),
            cross_attention_dim=8,
            layers_per_block=1,
            norm_num_groups=4,
        )
    ),
    "transformer, in context": Transformer(TRANSFORMER),
    "transformer, cross attention": Transformer(replace(TRANSFORMER, text="cross_attention")),
    "uvit": UViT(
        UViTConfig(
            sample_size=4, channels=4, fine_width=8, fine_blocks=1, width=16, depth=2, heads=2, text_width=8
        )
    ),
}


def text(words: int) -> TextEmbedding:
    """The same three words, and padding."""
    tokens = torch.zeros(2, words, 8)
    tokens[:, :3] = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    return TextEmbedding(
        tokens=tokens, mask=(torch.arange(words) < 3).expand(2, -1), pooled=torch.zeros(2, 4)
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_every_depth_gives_a_vector_per_picture_and_the_answer_stays(name: str) -> None:
    network = NETWORKS[name].eval()
    x, time = torch.randn(2, 4, 4, 4), torch.full((2,), 300.0)
    with torch.no_grad():
        plain = network(x, time, text(5))
        with recorded(network) as states:
            watched = network(x, time, text(5))
        assert torch.equal(plain, watched)
        assert list(states) == depths(network)
        assert all(vectors.shape[0] == 2 and vectors.ndim == 2 for vectors in states.values())
        before = {key: value.clone() for key, value in states.items()}
        network(-x, time, text(5))
    assert all(torch.equal(states[key], before[key]) for key in states)  # no hook is left
    assert all(not module._forward_hooks for module in network.modules())


@pytest.mark.parametrize("name", ["transformer, in context", "uvit"])
def test_padding_of_the_text_is_not_part_of_the_picture(name: str) -> None:
    """Words stand among a block's tokens: taken for the picture's, padding would change the mean."""
    network = NETWORKS[name].eval()
    x, time = torch.randn(2, 4, 4, 4), torch.full((2,), 300.0)
    with torch.no_grad():
        found = []
        for words in (4, 7):
            with recorded(network) as states:
                network(x, time, text(words))
            found.append(dict(states))
    for depth in found[0]:
        torch.testing.assert_close(found[0][depth], found[1][depth])


def test_a_network_that_nobody_knows_is_named() -> None:
    with pytest.raises(ConfigError, match="into a Linear is not known: wanted UNet"):
        depths(nn.Linear(2, 2))
    assert {type(network) for network in NETWORKS.values()} == set(DEPTHS)


def test_standardised() -> None:
    vectors = standardised(torch.tensor([[1.0, 5.0], [3.0, 5.0], [8.0, 5.0]]))
    torch.testing.assert_close(vectors.mean(0), torch.zeros(2))
    torch.testing.assert_close(vectors.std(0), torch.tensor([1.0, 0.0]))
