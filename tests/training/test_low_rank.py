"""Low-rank products beside the weights of any network, and added to them."""

import copy

import pytest
import torch
from torch import nn

from rhinoise.core.errors import ConfigError
from rhinoise.core.shapes import TextEmbedding
from rhinoise.nets.network import NETWORKS
from rhinoise.nets.transformer import TransformerConfig
from rhinoise.nets.unet import UNetConfig
from rhinoise.nets.uvit import UViTConfig
from rhinoise.training.low_rank import AdaptConfig, merged, with_low_rank

RANK = 3
TOKENS = {"sample_size": 4, "channels": 4, "width": 16, "depth": 1, "heads": 2, "text_width": 16}
CONFIGS = {
    "unet": UNetConfig(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 8),
        attention=(False, True),
        heads=(1, 1),
        transformer_layers=(1, 1),
        cross_attention_dim=16,
        layers_per_block=1,
        norm_num_groups=4,
    ),
    "transformer": TransformerConfig(patch_size=1, text="in_context", pooled_width=16, **TOKENS),
    "uvit": UViTConfig(fine_width=8, fine_blocks=1, pooled_width=16, **TOKENS),
}


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> nn.Module:
    """One of every kind, with weights that all do something."""
    torch.manual_seed(0)
    made = NETWORKS[request.param][1](CONFIGS[request.param])
    for parameter in made.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return made


@torch.no_grad()
def answer(network: nn.Module) -> torch.Tensor:
    chance = torch.Generator().manual_seed(1)
    text = TextEmbedding(
        tokens=torch.randn(2, 5, 16, generator=chance),
        mask=torch.ones(2, 5, dtype=torch.bool),
        pooled=torch.randn(2, 16, generator=chance),
    )
    side = network.config.sample_size
    return network(torch.randn(2, 4, side, side, generator=chance), torch.tensor([100.0, 700.0]), text)


def shaken(network: nn.Module) -> nn.Module:
    """Every factor somewhere else, as after a training."""
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn_like(parameter)
    return network


def test_at_first_it_answers_the_same_and_factors_alone_are_trained(network: nn.Module) -> None:
    before, weights = answer(network), copy.deepcopy(network.state_dict())
    adapted = with_low_rank(network, RANK)
    assert torch.equal(answer(adapted), before)
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    trained = [parameter for parameter in adapted.parameters() if parameter.requires_grad]
    assert len(trained) == 2 * len(layers)
    assert all(RANK in parameter.shape[:2] for parameter in trained)
    # The network itself stays as it was.
    shaken(adapted)
    assert all(torch.equal(weight, weights[name]) for name, weight in network.state_dict().items())
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_merged_it_is_a_plain_network_that_answers_the_same(network: nn.Module) -> None:
    adapted = shaken(with_low_rank(network, RANK))
    wanted = answer(adapted)
    plain = merged(adapted)
    assert type(plain) is type(network)
    assert plain.state_dict().keys() == network.state_dict().keys()
    assert {name for name, _ in plain.named_modules()} == {name for name, _ in network.named_modules()}
    assert all(parameter.requires_grad for parameter in plain.parameters())
    torch.testing.assert_close(answer(plain), wanted, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(wanted, answer(network), atol=1e-2)


def test_what_it_learnt_has_low_rank(network: nn.Module) -> None:
    learnt = merged(shaken(with_low_rank(network, RANK))).state_dict()
    for name, weight in network.state_dict().items():
        change = learnt[name] - weight
        if weight.ndim < 2:
            assert not change.any()
            continue
        values = torch.linalg.svdvals(change.flatten(1))
        assert values[0] > 1e-3
        assert (values[RANK:] < 1e-4 * values[0]).all()


@pytest.mark.parametrize("wrong", [{"rank": 0}, {"learning_rate": 0.0}])
def test_impossible_settings_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        AdaptConfig(**wrong)
