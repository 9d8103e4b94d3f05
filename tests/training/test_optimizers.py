"""Optimizers: Muon against torch's own, and which parameters go where."""

import pytest
import torch
from torch import nn

from rhinoise.core.random import generator
from rhinoise.recipes import RECIPES
from rhinoise.training.optimizers import ADAMW_RMS, MOMENTUM, OPTIMIZERS, Muon, in_blocks, orthogonal
from rhinoise.workflows.stages.build import build

SHAPES = [(24, 24), (40, 16), (16, 40)]
RATE, DECAY = 0.03, 0.1


def noise(*where, shape):
    return torch.randn(shape, generator=generator("optimizers", *where))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_orthogonal_brings_every_singular_value_to_about_one(shape):
    # Singular values 50 times apart go in.
    u, _, v = torch.linalg.svd(noise("orthogonal", shape=shape), full_matrices=False)
    values = torch.logspace(-1, 0.7, min(shape))
    seen = u.mT @ orthogonal(u @ values.diag() @ v).float() @ v.mT
    assert seen.diag().min() > 0.6
    assert seen.diag().max() < 1.3
    assert (seen - seen.diag().diag()).abs().max() < 0.05


def stepped(optimizer, parameter, like):
    """The parameter after some steps along the same gradients, in the shape of `like`."""
    for step in range(4):
        parameter.grad = noise("gradient", step, shape=like).view(parameter.shape)
        for group in optimizer.param_groups:
            group["lr"] = RATE
        optimizer.step()
    return parameter.detach().view(like)


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("shape", [*SHAPES, (8, 5, 3, 3), (60, 4, 3, 3)], ids=str)
def test_muon_is_torchs_and_a_kernel_is_a_matrix(shape, memory):
    start = noise("start", shape=shape)
    matrix = nn.Parameter(start.flatten(1).clone())
    torchs = torch.optim.Muon([matrix], weight_decay=DECAY, momentum=MOMENTUM, adjust_lr_fn="match_rms_adamw")
    ours = nn.Parameter(start.clone(memory_format=memory) if len(shape) == 4 else start.clone())
    # Both compute in bf16, whose last place is 0.4 % of a step.
    torch.testing.assert_close(
        stepped(Muon([ours], DECAY), ours, shape), stepped(torchs, matrix, shape), atol=2e-3, rtol=0
    )


def test_a_step_of_muon_is_as_long_as_one_of_adamw():
    parameter = nn.Parameter(torch.zeros(32, 48))
    moved = stepped(Muon([parameter], 0.0), parameter, (32, 48)) / RATE
    # Four random steps in a row, each with the momentum of those before.
    assert ADAMW_RMS < moved.square().mean().sqrt() < 4 * ADAMW_RMS


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_trained_parameter_has_one_optimizer(optimizer):
    task = build(RECIPES["lean"](16).network, seed=0)
    task.latent_in.requires_grad_(False)
    held = [
        parameter
        for part in OPTIMIZERS[optimizer](task, DECAY)
        for group in part.param_groups
        for parameter in group["params"]
    ]
    assert len(held) == len(set(held))
    assert set(held) == {parameter for parameter in task.parameters() if parameter.requires_grad}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_without_blocks_it_is_adamw(optimizer):
    (only,) = OPTIMIZERS[optimizer](nn.Linear(3, 2), DECAY)
    assert isinstance(only, torch.optim.AdamW)


def test_blocks_are_told_from_what_leads_in_and_out():
    task = build(RECIPES["lean"](16).network, seed=0)
    task.blocks[0].expand.requires_grad_(False)
    names = in_blocks(task, axes=2)
    kernels = {"before.0.conv_in.weight", "after.1.conv_out.weight"}
    assert kernels | {"blocks.3.expand.weight"} <= set(names)
    outside = {"latent_in", "latent_out", "modulation", "down", "up", "text_in", "time_embedding"}
    assert not outside & {name.split(".")[0] for name in names}
    assert "blocks.0.expand.weight" not in names
    assert kernels <= set(in_blocks(task, axes=4))
    assert not [name for name in in_blocks(task, axes=4) if name.startswith("blocks")]
