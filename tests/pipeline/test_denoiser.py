"""A network that knows the answer gives back the clean latent, whatever it is asked to predict."""

import pytest
import torch
from torch import nn

from rhinoise.core.shapes import TextEmbedding
from rhinoise.diffusion.predictions import PREDICTIONS
from rhinoise.diffusion.schedules import ScheduleConfig
from rhinoise.pipeline.denoiser import Denoiser


class Knowing(nn.Module):
    """Answers with what it was made with, in the type it was asked in."""

    def __init__(self, answer):
        super().__init__()
        self.known = answer

    def forward(self, x, time, text):
        self.asked = x, time, text
        return self.known.to(x.dtype)


def text(count):
    return TextEmbedding(
        tokens=torch.randn(count, 2, 3),
        mask=torch.ones(count, 2, dtype=torch.bool),
        pooled=torch.randn(count, 3),
    )


@pytest.mark.parametrize("predicts", PREDICTIONS)
@pytest.mark.parametrize("batch", [1, 4])
def test_the_answer_is_read_as_x0(predicts, batch):
    """One level for all, or one for each; and batch = channels = height = width."""
    torch.manual_seed(0)
    schedule = ScheduleConfig(name="edm" if predicts == "edm" else "cosine").build()
    level = schedule(torch.linspace(0.2, 0.8, batch))
    x0, eps = torch.randn(2, 4, 4, 4, 4)
    prediction = PREDICTIONS[predicts]
    network = Knowing(prediction.target(level, x0, eps))
    told, x = text(4), level.add_noise(x0, eps)
    denoiser = Denoiser(network, predicts)
    torch.testing.assert_close(denoiser(x, level, told), x0, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(denoiser.told(told)(x, level), x0, atol=1e-4, rtol=1e-4)
    seen, time, heard = network.asked
    assert torch.equal(seen, prediction.input(level, x))
    assert torch.equal(time, level.time.expand(4))
    assert torch.equal(heard.tokens, told.tokens)


def test_its_precision_is_the_networks_alone():
    level = ScheduleConfig(name="flow").build()(torch.tensor([0.5]))
    network = Knowing(torch.randn(2, 3, 4, 4))
    x = torch.randn(2, 3, 4, 4)
    answer = Denoiser(network, "flow", torch.bfloat16)(x, level, text(2))
    seen, _, heard = network.asked
    assert answer.dtype is torch.float32
    assert seen.dtype is heard.tokens.dtype is torch.bfloat16
