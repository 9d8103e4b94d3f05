"""The report on a data set, in a real browser."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def report(cli: Callable, shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inspect")
    result = cli("inspect", shapes, "--out", folder)
    assert result.exit_code == 0, result.stderr
    return folder / "report.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_is_whole_and_asks_for_nothing(visiting: Callable, report: Path, width: int, scheme: str) -> None:
    with visiting(report, width, scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width  # nothing sticks out
        assert page.locator("img").count() > 0
        assert page.evaluate("[...document.images].every(one => one.complete && one.naturalWidth > 0)")
        assert "a red circle" in page.inner_text("main")
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
        assert dark == (scheme == "dark")
