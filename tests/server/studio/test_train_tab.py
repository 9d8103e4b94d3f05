"""The tabs Train and Models, in a real browser."""

from collections.abc import Callable
from typing import Any

import pytest

# Sockets that gradio and playwright leave to the garbage collector are theirs to close.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*no_silent_downcasting", "ignore::pytest.PytestUnraisableExceptionWarning"
)


def test_a_model_is_trained_used_and_deleted(
    studio: Any, tiny: list[str], wait_until: Callable[[Callable[[], bool]], None]
) -> None:
    page = studio.page
    studio.tab("Train")
    page.locator("#inspect").click()
    page.frame_locator("#report iframe").get_by_text("24", exact=False).first.wait_for()
    page.locator("#name input, #name textarea").fill("mine")
    page.locator("#size input").fill("16")
    page.locator("#size input").press("Enter")
    page.locator("button.label-wrap", has_text="More").click()
    page.locator("#settings textarea").fill("\n".join([*tiny[5::2], "images=64", "minutes=null"]))
    page.locator("#time").click()
    page.locator("#forecast dl").wait_for()
    page.locator("#begin").click()
    page.get_by_text("done: the model is in the list").wait_for()
    assert page.locator("#training svg").count() >= 2
    studio.tab("Models")
    page.locator("#cards button", has_text="mine").click()
    page.get_by_text("pictures from words").wait_for()
    assert page.locator("#export a").get_attribute("href") == "api/v1/models/mine/export"
    page.locator("#use-model").click()
    assert studio.draw("a blue bar")["request"]["model"] == "mine"
    studio.tab("Models")
    page.locator("#cards button", has_text="mine").click()
    page.locator("#delete:not([disabled])").click()
    page.locator("#sure").click()
    wait_until(lambda: page.locator("#cards button", has_text="mine").count() == 0)
    assert "mine" not in studio.api.get("facts").json()["worker"]["models"]
