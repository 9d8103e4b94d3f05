"""The tab Watch, in a real browser."""

from typing import Any

import pytest

# Sockets that gradio and playwright leave to the garbage collector are theirs to close.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*no_silent_downcasting", "ignore::pytest.PytestUnraisableExceptionWarning"
)


def test_noise_and_back_a_film_and_where_it_looks(studio: Any) -> None:
    page = studio.page
    studio.draw("a blue ring")
    studio.tab("Watch")
    page.locator("#take-last").click()
    slider = page.locator("#noised input[type=range]")
    slider.wait_for()
    slider.fill("20")
    assert "t = 1.00" in page.locator("#noised figure:visible").inner_text()
    page.locator("#bring-back").click()
    page.get_by_text("where they differ").wait_for()
    assert page.locator("#returned img").count() == 10
    page.locator("#film").click()
    page.locator("#shown-film input[type=range]").wait_for()
    page.locator("#words textarea, #words input").fill("a red circle")
    page.locator("#look").click()
    word = page.locator("#maps [data-show]").last
    word.hover()
    assert "bright where it looks for" in page.locator("#maps figure:visible").inner_text()
