import pytest
import torch
import torch.nn.functional as F

from rhinoise.core.images import BRIGHTNESS
from rhinoise.explain.measure.aspects import ASPECTS, CELLS, brightness, colours, details, layout


@pytest.mark.parametrize("name", ASPECTS)
@pytest.mark.parametrize("shape", [(8, 8), (16, 24), (33, 20)])
def test_a_plain_grey_picture_has_one_brightness_and_nothing_else(name: str, shape: tuple[int, int]) -> None:
    seen = ASPECTS[name](torch.full((2, 3, *shape), 0.4))
    assert seen.shape[0] == 2
    wanted = 0.4 if name == "layout" else 0.0
    assert seen.flatten().tolist() == pytest.approx([wanted] * seen.numel(), abs=1e-6)


def test_brightness_weighs_the_colours_and_they_sum_to_one() -> None:
    assert sum(BRIGHTNESS) == pytest.approx(1)
    red = torch.zeros(1, 3, 8, 8)
    red[:, 0] = 1
    assert brightness(red).unique().item() == pytest.approx(BRIGHTNESS[0])
    less = colours(red)
    assert less[:, 0].unique().item() == pytest.approx(1 - BRIGHTNESS[0])
    assert less[:, 1].unique().item() == pytest.approx(-BRIGHTNESS[0])


def test_a_mosaic_has_a_layout_and_a_fine_chequer_has_details_alone() -> None:
    cells = torch.rand(1, 1, CELLS, CELLS, generator=torch.Generator().manual_seed(0))
    mosaic = F.interpolate(cells, scale_factor=4).expand(-1, 3, -1, -1)
    assert torch.allclose(layout(mosaic), cells, atol=1e-6)
    sign = (-1.0) ** (torch.arange(32)[:, None] + torch.arange(32))
    chequer = sign.expand(1, 3, -1, -1)
    assert layout(chequer).abs().max() < 1e-6
    assert torch.allclose(details(chequer), chequer[:, :1], atol=1e-6)
