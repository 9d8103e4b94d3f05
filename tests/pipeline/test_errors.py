import pytest
import torch

from rhinoise.core.random import noise
from rhinoise.core.shapes import TextEmbedding
from rhinoise.diffusion.schedules import cosine
from rhinoise.pipeline.denoiser import Denoiser
from rhinoise.pipeline.errors import errors_by_level

TIMES = (0.1, 0.5, 0.9)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_who_sees_no_noise_is_wrong_by_the_noise(batch: int) -> None:
    """An answer of zero epsilon is wrong by epsilon, and its x0 by sigma / alpha times that."""
    latents = torch.randn(5, 4, 8, 6, generator=torch.Generator().manual_seed(0))
    text = TextEmbedding(
        tokens=torch.zeros(5, 2, 4), mask=torch.ones(5, 2, dtype=torch.bool), pooled=torch.zeros(5, 4)
    )
    blind = Denoiser(lambda x, time, text: torch.zeros_like(x), "epsilon")
    told = {"something": text, "nothing": text}
    found = list(errors_by_level(blind, cosine(), latents, told, TIMES, batch=batch))
    assert [list(errors) for errors in found] == [list(told)] * len(TIMES)
    for number, (time, errors) in enumerate(zip(TIMES, found, strict=True)):
        level = cosine()(torch.tensor([time]))
        eps = torch.stack([noise(0, picture, number, (4, 8, 6)) for picture in range(5)])
        answer = eps.square().mean(dim=(1, 2, 3))
        x0 = answer * float(level.sigma / level.alpha) ** 2
        for own in errors.values():
            torch.testing.assert_close(own, torch.stack([answer, x0]))
