"""The page, in a real chromium, against a real server with a tiny model."""

import re
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

# Sockets that gradio and playwright leave to the garbage collector are theirs to close.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*no_silent_downcasting", "ignore::pytest.PytestUnraisableExceptionWarning"
)

TABS = ("Create", "Watch", "Atlas", "Train", "Models")
PATIENCE = 90_000
"""Milliseconds that anything may take, on a slow machine."""


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
def page(browser: Any, server: str, trouble: list[str]) -> Iterator[Any]:
    """The page, open, its models known."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.set_default_timeout(PATIENCE)

    def asked(request: Any) -> None:
        if not request.url.startswith((server, "data:", "blob:")):
            trouble.append(f"asked {request.url}")

    def said(message: Any) -> None:
        if message.type == "error":
            trouble.append(message.text)

    opened.on("request", asked)
    opened.on("console", said)
    opened.on("pageerror", lambda error: trouble.append(str(error)))
    visit(opened, server)
    yield opened
    opened.close()


def visit(page: Any, server: str) -> None:
    """Open the page, and wait until it knows its models."""
    page.goto(server)
    page.get_by_text("ready, on").wait_for()


def tab(page: Any, name: str) -> None:
    """Choose a tab."""
    page.get_by_role("tab", name=name, exact=True).click()


def jobs(server: str, kind: str) -> list[dict[str, Any]]:
    """The jobs of that kind, newest first."""
    return httpx.get(f"{server}/api/v1/jobs", params={"kind": kind}).json()


def newest(server: str) -> str | None:
    """Which drawing was asked for last (a count would stand still at the longest list)."""
    return next((job["id"] for job in jobs(server, "generate")), None)


def draw(page: Any, server: str, prompt: str) -> dict[str, Any]:
    """Draw from the tab Create; the job that did."""
    tab(page, "Create")
    before = newest(server)
    page.locator("#prompt textarea").fill(prompt)
    page.locator("#draw").click()
    until(lambda: newest(server) != before)
    until(lambda: jobs(server, "generate")[0]["state"] in ("done", "failed"))
    page.locator("#draw:not([disabled])").wait_for()
    return jobs(server, "generate")[0]


def until(true: Any) -> None:
    """Wait for it."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < PATIENCE / 1000, "it did not come true in time"
        time.sleep(0.1)


def png(size: int = 48) -> bytes:
    """A picture of two colours."""
    image = Image.new("RGB", (size, size), "white")
    image.paste("navy", (0, 0, size // 2, size))
    buffer = BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def test_a_picture_is_drawn_and_stays_in_the_gallery(page: Any, server: str) -> None:
    job = draw(page, server, "a red circle")
    assert job["state"] == "done"
    assert job["request"]["preview"]
    shown = page.locator("#stage .picked")
    shown.wait_for()
    assert "a red circle" in shown.inner_text()
    assert str(job["request"]["seed"]) in shown.inner_text()
    visit(page, server)
    kept = page.locator("#gallery button img").first
    kept.wait_for()
    assert job["id"] in kept.get_attribute("src")


def test_a_drawing_that_waits_is_cancelled(page: Any, server: str) -> None:
    slow = {"kind": "generate", "prompt": "a slow one", "count": 64, "steps": 250}
    before = httpx.post(f"{server}/api/v1/jobs", json=slow).json()["id"]
    page.locator("#prompt textarea").fill("one that is not wanted")
    page.locator("#draw").click()
    page.locator("#cancel:not([disabled])").click()
    page.get_by_text("this was cancelled").wait_for()
    httpx.delete(f"{server}/api/v1/jobs/{before}")
    assert jobs(server, "generate")[0]["state"] == "cancelled"


def test_a_refusal_is_a_sentence(page: Any) -> None:
    page.locator("#seed input, #seed textarea").fill("many")
    page.locator("#draw").click()
    page.get_by_text("a seed is a whole number such as 42, not 'many'").wait_for()
    page.locator("#seed input, #seed textarea").fill("")


def test_the_painted_part_is_drawn_anew(page: Any, server: str) -> None:
    page.get_by_role("button", name="Start from a picture").click()
    page.locator("#start input[type=file]").set_input_files(
        {"name": "two.png", "mimeType": "image/png", "buffer": png()}
    )
    canvas = page.locator("#start canvas")
    page.get_by_text("All of the picture may change.").wait_for()
    canvas.scroll_into_view_if_needed()
    area = canvas.bounding_box()
    page.mouse.move(area["x"] + area["width"] * 0.6, area["y"] + area["height"] * 0.3)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] * 0.9, area["y"] + area["height"] * 0.3, steps=4)
    page.mouse.up()
    page.get_by_text("What is painted will be drawn anew.").wait_for()
    job = draw(page, server, "a green square")
    assert job["state"] == "done"
    assert job["request"]["mask"] == "mask"
    assert job["request"]["paste"]
    (name,) = httpx.get(f"{server}/api/v1/jobs/{job['id']}").json()["files"]
    drawn = httpx.get(f"{server}/api/v1/jobs/{job['id']}/files/{name}").content
    with Image.open(BytesIO(drawn)) as image:
        assert image.getpixel((1, image.height - 2))[2] > 100, "what was not painted stays navy"
        assert image.getpixel((1, image.height - 2))[0] < 60
    page.get_by_role("button", name="Remove the picture").click()


def test_a_picture_restores_its_request(page: Any, server: str) -> None:
    ask = {"kind": "generate", "prompt": "an orange ring", "negative": "blue", "seed": 77, "steps": 3}
    id = httpx.post(f"{server}/api/v1/jobs", json=ask).json()["id"]
    until(lambda: jobs(server, "generate")[0]["state"] == "done")
    (name,) = httpx.get(f"{server}/api/v1/jobs/{id}").json()["files"]
    drawn = httpx.get(f"{server}/api/v1/jobs/{id}/files/{name}").content
    page.get_by_role("button", name="Restore a request").click()
    page.locator("#restore input[type=file]").set_input_files(
        {"name": name, "mimeType": "image/png", "buffer": drawn}
    )
    until(lambda: page.locator("#prompt textarea").input_value() == "an orange ring")
    assert page.locator("#seed input, #seed textarea").input_value() == "77"
    again = draw(page, server, "an orange ring")
    assert httpx.get(f"{server}/api/v1/jobs/{again['id']}/files/{name}").content == drawn


def test_noise_and_back_a_film_and_where_it_looks(page: Any, server: str) -> None:
    draw(page, server, "a blue ring")
    tab(page, "Watch")
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


def test_a_point_of_the_atlas_is_reused_and_walked_from(page: Any) -> None:
    tab(page, "Atlas")
    page.locator("#make-atlas").click()
    space = page.frame_locator("#atlas iframe").locator("canvas")
    space.press("Enter")
    page.get_by_text("its latent, decoded").first.wait_for()
    space.press("n")
    page.locator("#walk-points:not([disabled])").click()
    page.locator("#way input[type=range]").wait_for()
    assert page.locator("#way figure").count() == 9
    page.locator("#use-point").click()
    page.locator("#start .easel img[src^='data:image/png']").wait_for()
    page.get_by_role("button", name="Remove the picture").click()


def test_a_model_is_trained_used_and_deleted(page: Any, server: str, tiny: list[str]) -> None:
    tab(page, "Train")
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
    tab(page, "Models")
    page.locator("#cards button", has_text="mine").click()
    page.get_by_text("pictures from words").wait_for()
    assert page.locator("#export a").get_attribute("href") == "api/v1/models/mine/export"
    page.locator("#use-model").click()
    assert draw(page, server, "a blue bar")["request"]["model"] == "mine"
    tab(page, "Models")
    page.locator("#cards button", has_text="mine").click()
    page.locator("#delete:not([disabled])").click()
    page.locator("#sure").click()
    until(lambda: page.locator("#cards button", has_text="mine").count() == 0)
    assert "mine" not in httpx.get(f"{server}/api/v1/facts").json()["worker"]["models"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(browser: Any, server: str, scheme: str, tmp_path: Path) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page.set_default_timeout(PATIENCE)
    visit(page, server)
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
