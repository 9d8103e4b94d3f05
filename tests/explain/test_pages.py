"""Pages: one file that needs nothing else, figures that follow light and dark, pictures as they were."""

import base64
import io
import re

import jinja2
import numpy as np
import pytest
from PIL import Image

from rhinoise.explain.pages.page import COLOURS, data_uri, render, svg
from rhinoise.explain.plots.style import BLUE, ORANGE, dress, new_figure


def drawing() -> str:
    figure = new_figure(5.0, 3.0)
    axes = figure.subplots()
    axes.plot([1, 2, 3], [1, 4, 2], "o-", color=BLUE)
    axes.plot([1, 2, 3], [2, 3, 1], color=ORANGE)
    dress(axes, "a < b", "steps", "nats")
    return svg(figure)


def test_a_figure_is_drawn_in_the_pages_colours_and_letters() -> None:
    drawn = drawing()
    assert not set(re.findall(r"#[0-9a-f]{6}(?=[;\"])", drawn)) & set(COLOURS)
    assert {"var(--blue)", "var(--orange)", "var(--ink)"} <= set(re.findall(r"var\(--\w+\)", drawn))
    assert "font-family" not in drawn
    assert "a &lt; b" in drawn


def test_figures_of_one_page_do_not_disturb_each_other() -> None:
    """Every id that is used is there, and equal ids are equal things."""
    drawn = drawing()
    ids = re.findall(r' id="([^"]+)"', drawn)
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', drawn)) <= set(ids)
    assert drawn == drawing()


def test_a_picture_is_in_the_page_to_the_pixel() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    head, data = data_uri(Image.fromarray(pixels), lossless=True).split(",")
    assert head == "data:image/webp;base64"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))), pixels)


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render("inspect.html.j2")
