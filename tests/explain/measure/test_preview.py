import pytest
import torch
import torch.nn.functional as F

from rhinoise.explain.measure.preview import fit_preview


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_a_linear_decoder_is_found_exactly(factor: int) -> None:
    draw = torch.Generator().manual_seed(0)
    kernel = 0.05 * torch.randn(3 * factor**2, 4, 3, 3, generator=draw)
    latents = torch.randn(2, 4, 12, 12, generator=draw)

    def decode(z: torch.Tensor) -> torch.Tensor:
        padded = F.pad(z, (1, 1, 1, 1), mode="replicate")
        return F.pixel_shuffle(F.conv2d(padded, kernel) + 0.1, factor)

    preview = fit_preview([(latents, decode(latents), 1.0)])
    fresh = torch.randn(3, 4, 6, 9, generator=draw)
    assert torch.allclose(preview(fresh), decode(fresh).clamp(-1, 1), atol=2e-3)


def test_what_no_example_has_shown_is_left_grey() -> None:
    latents = torch.zeros(1, 2, 8, 8)
    latents[:, 0] = torch.randn(8, 8, generator=torch.Generator().manual_seed(0))
    preview = fit_preview([(latents, latents[:, :1].expand(-1, 3, -1, -1).clamp(-1, 1), 1.0)])
    unseen = torch.zeros(1, 2, 8, 8)
    unseen[:, 1] = 1.0
    assert torch.allclose(preview(unseen), preview(0 * unseen), atol=1e-4)
