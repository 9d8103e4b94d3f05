from dataclasses import replace

import pytest
import torch

from rhinoise.explain.plots.replicas import Near, Pair, replica_figure


def pairs(number: int) -> list[Pair]:
    image = torch.zeros(1, 3, 8, 8)
    nearest = {view: Near(image=image, caption="x", ratio=0.25) for view in ("pixels", "latents", "features")}
    labels = ("replica", "near", "new", "not calibrated")
    return [
        Pair(prompt=f"number {i} " * 9, drawn=image, label=labels[i % 4], score=0.31, nearest=nearest)
        for i in range(number)
    ]


@pytest.mark.parametrize("number", [1, 2, 3, 24])
def test_every_pair_is_shown_with_its_label_and_ratios_and_nothing_overlaps(number: int) -> None:
    figure = replica_figure(pairs(number), title="What is near")
    boxes = [axes.get_position() for axes in figure.axes]
    assert len(boxes) == 4 * number
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(0 <= box.x0 <= box.x1 <= 1 and 0 <= box.y0 <= box.y1 <= 1 for box in boxes)
    shown = [text.get_text() for text in figure.texts]
    assert shown.count("0.25") == 3 * number
    assert "replica 0.31" in shown
    renderer = figure.canvas.get_renderer()
    extents = [text.get_window_extent(renderer) for text in figure.texts]
    width, height = figure.canvas.get_width_height()
    assert all(one.x0 >= 0 and one.x1 <= width and one.y0 >= 0 and one.y1 <= height for one in extents)
    assert not any(a.overlaps(b) for i, a in enumerate(extents) for b in extents[:i])


def test_a_dollar_in_a_prompt_is_no_mathematics() -> None:
    """Read as TeX, this prompt could not be drawn."""
    (pair,) = pairs(1)
    prompt = r"$\frac$ of a pie"
    figure = replica_figure([replace(pair, prompt=prompt)], title="From $5 to $10")
    figure.draw_without_rendering()
    assert prompt in {text.get_text() for text in figure.texts}
