"""The tab Atlas, in a real browser."""

from typing import Any

import pytest

# Sockets that gradio and playwright leave to the garbage collector are theirs to close.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*no_silent_downcasting", "ignore::pytest.PytestUnraisableExceptionWarning"
)


def test_a_point_of_the_atlas_is_reused_and_walked_from(studio: Any) -> None:
    page = studio.page
    studio.tab("Atlas")
    job = studio.done(page.locator("#make-atlas").click, "atlas")
    space = page.frame_locator(f"#atlas iframe[src*='{job['id']}']").locator("canvas")
    space.press("Enter")
    page.get_by_text("its latent, decoded").first.wait_for()
    space.press("n")
    page.locator("#walk-points:not([disabled])").click()
    page.locator("#way input[type=range]").wait_for()
    assert page.locator("#way figure").count() == 9
    page.locator("#use-point").click()
    page.locator("#start .easel img[src^='data:image/png']").wait_for()
    page.get_by_role("button", name="Remove the picture").click()


def test_where_the_last_drawing_landed_is_marked(studio: Any) -> None:
    page = studio.page
    studio.visit()
    drawn = studio.api.ended(studio.api.submit(kind="generate", prompt="a red ring", seed=4, count=2))
    studio.tab("Atlas")
    space = page.frame_locator("#atlas iframe")
    if not page.locator("#atlas iframe").count():
        page.locator("#make-atlas").click()
    space.locator("canvas").wait_for()
    job = studio.done(page.locator("#land:not([disabled])").click, "landing")
    assert [name.split("/")[1] for name in job["request"]["landed"]] == [
        name for name in drawn["files"] if name != "grid.png"
    ]
    marks = space.locator("#landed .landed")
    marks.nth(1).wait_for()
    assert marks.count() == 2
    assert "◆ 1 a red ring" in marks.first.inner_text()
    assert marks.first.locator(".near button").count() == 5
    assert marks.first.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 16
    frame = next(frame for frame in page.frames if frame.url.endswith("atlas.html"))
    # In the middle of the first diamond is its colour, where there was none before.
    colour = """() => {
      paint();
      const { x, y } = lens()(...atlas.landed[0].place);
      return [...pen.getImageData(Math.round(x * ratio), Math.round(y * ratio), 1, 1).data].slice(0, 3);
    }"""
    assert frame.evaluate(colour) == [194, 24, 91]
    assert frame.evaluate("PALETTE.includes('#c2185b')") is False
