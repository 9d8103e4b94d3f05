"""Thumbnails of latents: by a linear map where that is as good as the decoder, by the decoder where not."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rhinoise.core.images import to_uint8
from rhinoise.core.shapes import Images, Latents
from rhinoise.nets.patch_autoencoder import PatchAutoencoder, PatchAutoencoderConfig
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.workflows.atlases.pictures import MANY, Decoded, quick_decoder, small, thumbnails


def drained(work: Generator[Any, None, Decoded]) -> Decoded:
    """What the work returns."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def decoder(correction: float) -> Callable[[Latents], Images]:
    """A patch decoder: linear, but for a correction of that size."""
    torch.manual_seed(0)
    autoencoder = PatchAutoencoder(PatchAutoencoderConfig(factor=4, latent_channels=4, width=8, blocks=1))
    autoencoder.start_from(torch.rand(32, 3, 16, 16) - 0.5)
    autoencoder.decode_out.weight.data.normal_(0, correction)
    autoencoder.decode_blocks[0].conv_out.weight.data.normal_(0, 1)
    return torch.no_grad()(lambda latents: autoencoder.decode(latents).clamp(-1, 1))


@pytest.mark.parametrize(
    ("count", "correction", "by_the_map"),
    [(MANY + 1, 0.0, True), (MANY + 1, 1.0, False), (MANY, 0.0, False)],
)
def test_a_linear_map_draws_many_where_it_may(count: int, correction: float, by_the_map: bool) -> None:
    decode = decoder(correction)
    latents = torch.randn(count, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    found, wanted = drained(thumbnails(decode, latents)), small(to_uint8(decode(latents)))
    assert (found.preview_psnr is not None) == by_the_map
    off = np.abs(found.thumbs.astype(int) - wanted.astype(int))
    assert off.mean() < (1 if by_the_map else 1e-9)


def test_bfloat16_is_for_processors_that_have_it(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Emulated, it took eight times as long as float32, and the atlas of 5,000 pictures forty minutes."""
    monkeypatch.setattr("rhinoise.core.backend.has_fast_bf16", lambda device: False)
    model = LatentDiffusion.load(trained)
    latents = torch.randn(2, *model.latent_shape(model.size), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(quick_decoder(model)(latents), model.decode(latents), atol=1e-5, rtol=0)
