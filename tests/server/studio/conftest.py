"""The page, open in a real chromium, against a real server with a tiny model, and what tests do to it."""

import time
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

PATIENCE = 90_000
"""Milliseconds that anything may take, on a slow machine."""

LEAVING = ("AbortError: signal is aborted", "Unexpected error Connection errored out")
"""What Gradio's client says of its own connection when a page is left in the middle of something."""


class Studio:
    """The page in a browser, and the server's own API beside it."""

    def __init__(self, page: Any, api: Any) -> None:
        self.page, self.api = page, api

    def visit(self) -> None:
        """Open the page, and wait until it knows its models."""
        self.page.goto(self.api.server)
        self.page.get_by_text("ready, on").wait_for()

    def tab(self, name: str) -> None:
        """Choose a tab."""
        self.page.get_by_role("tab", name=name, exact=True).click()

    def unfold(self, name: str) -> None:
        """Open what is folded away under that name, if it is."""
        folded = self.page.locator("button.label-wrap", has_text=name).first
        if "open" not in folded.get_attribute("class").split():
            folded.click()

    def jobs(self, kind: str) -> list[dict[str, Any]]:
        """The jobs of that kind, newest first."""
        return self.api.get(f"jobs?kind={kind}").json()

    def newest(self, kind: str = "generate") -> str | None:
        """Which was asked for last (a count would stand still at the longest list)."""
        return next((job["id"] for job in self.jobs(kind)), None)

    def asks(self, press: Callable[[], None], kind: str = "generate") -> dict[str, Any]:
        """The job that comes of pressing something, as soon as it is there."""
        before = self.newest(kind)
        press()
        until(lambda: self.newest(kind) != before)
        return self.jobs(kind)[0]

    def done(self, press: Callable[[], None], kind: str = "generate") -> dict[str, Any]:
        """The same, once it has ended well."""
        job = self.api.ended(self.asks(press, kind)["id"])
        assert job["state"] == "done", job["error"]
        return job

    def drawn(self, press: Callable[[], None]) -> dict[str, Any]:
        """The drawing that comes of pressing something, once the page shows its picture."""
        job = self.done(press)
        self.page.locator(f"#stage .picked img[src*='{job['id']}']").wait_for()
        self.page.locator("#draw:not([disabled])").wait_for()
        return job

    def draw(self, prompt: str) -> dict[str, Any]:
        """Draw from the tab Create; the job that did."""
        self.tab("Create")
        self.page.locator("#prompt textarea").fill(prompt)
        return self.drawn(self.page.locator("#draw").click)

    def file(self, job: dict[str, Any], name: str, **parameters: Any) -> bytes:
        """A file that a job made."""
        answer = self.api.get(f"jobs/{job['id']}/files/{name}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.content

    def seed(self) -> Any:
        """The field of the seed."""
        return self.page.locator("#seed input, #seed textarea")


def until(true: Callable[[], bool]) -> None:
    """Wait for it."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < PATIENCE / 1000, "it did not come true in time"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def trouble() -> list[str]:
    """What the browser's console said, and which other hosts it asked."""
    return []


@pytest.fixture(autouse=True)
def quiet(trouble: list[str]) -> Iterator[None]:
    """After every test: nothing was said on the console, and no other host was asked."""
    yield
    assert trouble == []


@pytest.fixture(scope="module")
def open_page(browser: Any, api: Any, trouble: list[str]) -> Callable[..., Studio]:
    """(width, colour scheme) => the page, open, its models known."""

    def opened(width: int = 1280, scheme: str = "light") -> Studio:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.set_default_timeout(PATIENCE)

        def asked(request: Any) -> None:
            if not request.url.startswith((api.server, "data:", "blob:")):
                trouble.append(f"asked {request.url}")

        def said(message: Any) -> None:
            if message.type == "error" and not message.text.startswith(LEAVING):
                trouble.append(message.text)

        page.on("request", asked)
        page.on("console", said)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        studio = Studio(page, api)
        studio.visit()
        return studio

    return opened


@pytest.fixture(scope="module")
def studio(open_page: Callable[..., Studio]) -> Iterator[Studio]:
    """One that the tests of a file share."""
    opened = open_page()
    yield opened
    opened.page.close()


@pytest.fixture(scope="session")
def wait_until() -> Callable[[Callable[[], bool]], None]:
    """What waits for something to be true."""
    return until


@pytest.fixture(scope="session")
def png() -> bytes:
    """A picture of two colours: navy on the left, white on the right."""
    image = Image.new("RGB", (48, 48), "white")
    image.paste("navy", (0, 0, 24, 48))
    buffer = BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()
