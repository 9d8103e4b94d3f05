"""/docs in a real browser: every address is told, and nothing is asked of any other host."""

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn
from starlette.testclient import TestClient

CHROMIUM = shutil.which("chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture
def address(asking: Callable[..., TestClient]) -> Iterator[str]:
    """The application behind a real port; no worker is started."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(asking().app, lifespan="off", log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here")
def test_the_page_tells_of_every_address(address: str) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for width, scheme in ((390, "dark"), (1280, "light")):
            _look(browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme), address)
        browser.close()


def _look(page: Any, address: str) -> None:
    trouble: list[str] = []
    page.on("request", lambda sent: None if sent.url.startswith(address) else trouble.append(sent.url))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.goto(f"{address}/docs")
    page.wait_for_selector("details")
    document = page.evaluate("fetch('openapi.json').then((answer) => answer.json())")
    told = page.locator("summary b").all_inner_texts()
    wanted = [f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods]
    assert sorted(told) == sorted(wanted)
    page.get_by_text("POST /api/v1/jobs", exact=True).click()
    assert page.get_by_text("What the model will be called.").is_visible()  # a field of a training
    for one in page.locator("details").all():
        one.evaluate("(element) => { element.open = true; }")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")  # nothing sticks out
    assert trouble == []
