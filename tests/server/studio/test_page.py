"""The page as a whole: on a telephone, and for a client of Gradio's."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

# Sockets that gradio and playwright leave to the garbage collector are theirs to close.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*no_silent_downcasting", "ignore::pytest.PytestUnraisableExceptionWarning"
)

TABS = ("Create", "Watch", "Atlas", "Train", "Models")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(open_page: Callable[..., Any], scheme: str) -> None:
    page = open_page(390, scheme).page
    for name in TABS:
        if not page.get_by_role("tab", name=name, exact=True).is_visible():
            page.locator("#tabs .overflow-menu > button").first.click()
        page.get_by_text(name, exact=True).last.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
    page.close()


def test_a_client_of_gradios_draws(server: str) -> None:
    client = pytest.importorskip("gradio_client").Client(server, verbose=False)
    (address,) = client.predict("a red bar", 5, 1, "", api_name="/generate")
    assert re.fullmatch(r"api/v1/jobs/[0-9a-f]{32}/files/a-red-bar-5-00\.png", address)
    assert httpx.get(f"{server}/{address}").headers["content-type"] == "image/png"
