"""The atlas in a real browser: hovering, clicking, typing, keys; without an error and without a request."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def page_file(cli: Callable, trained: Path, shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("atlas")
    words = ("--word", "red", "--word", "circle", "--features", 12, "--landed", shapes / "red-ring.png")
    result = cli("atlas", trained, "--out", folder / "atlas.html", *words)
    assert result.exit_code == 0, result.stderr
    return folder / "atlas.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_can_be_used(visiting: Callable, page_file: Path, width: int, scheme: str) -> None:
    with visiting(page_file, width, scheme) as page:
        page.wait_for_function("small !== null")
        assert page.evaluate("document.documentElement.scrollWidth") == width  # nothing sticks out
        # Nor is a caption scrolled away with its wide table, as one was on telephones.
        edges = page.eval_on_selector_all(".caption", "all => all.map(a => a.getBoundingClientRect().right)")
        assert edges
        assert max(edges) <= width

        count = page.evaluate("count")
        page.fill("#word", "red")
        assert f"of {count} pictures" in page.inner_text("#found")
        lit = page.evaluate("lit.reduce((a, b) => a + b)")
        assert 0 < lit < count
        page.fill("#word", "unicorn")
        assert "no caption here holds" in page.inner_text("#found")
        page.fill("#word", "")

        box = page.locator("#space").bounding_box()
        page.wait_for_function("order.length > 0 && wide > 0")
        row = page.evaluate("under(wide / 2, high / 2, Infinity)")
        x, y = page.evaluate(f"[xs[{row}], ys[{row}]]")
        page.mouse.move(box["x"] + x, box["y"] + y)
        assert page.is_visible("#tip")
        hovered = page.evaluate("atlas.captions[hovered]")
        assert page.inner_text("#tip").strip() == hovered
        page.mouse.down()
        page.mouse.up()
        assert page.inner_text("#card h2") == hovered
        assert page.locator("#card .near button").count() == 8
        page.locator("#card .near button").nth(3).click()
        assert page.inner_text("#card h2") != hovered

        landed = page.locator("#landed .landed")
        assert landed.count() == 1
        assert "◆ 1 red-ring" in landed.inner_text()
        landed.locator(".near button").first.click()
        assert page.inner_text("#card h2") == "a red ring"

        page.evaluate("choose(walks.ends[0]); choose(walks.ends[1])")
        assert page.locator("#way .thumb").count() == page.evaluate("walks.steps")

        page.focus("#space")
        before = page.evaluate("eye.yaw")
        page.keyboard.press("ArrowLeft")
        assert page.evaluate("eye.yaw") != before
        page.keyboard.press("Escape")
        assert page.evaluate("chosen") == -1
        page.keyboard.press("Enter")
        assert page.evaluate("chosen") >= 0

        page.select_option("#form", "pictures")
        page.select_option("#cloud", "1")
        assert "features" in page.inner_text("#about").lower()
        page.evaluate("paint()")
        assert page.evaluate("pen.getImageData(0, 0, canvas.width, canvas.height).data.some(value => value)")
