"""The tab Create, in a real browser: pictures drawn, cancelled, refused, and drawn within paint."""

from io import BytesIO
from typing import Any

import pytest
from PIL import Image

# Sockets that gradio and playwright leave to the garbage collector are theirs to close.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*no_silent_downcasting", "ignore::pytest.PytestUnraisableExceptionWarning"
)


def test_a_picture_is_drawn_and_stays_in_the_gallery(studio: Any) -> None:
    job = studio.draw("a red circle")
    assert job["request"]["preview"]
    told = studio.page.locator("#stage .picked").inner_text()
    assert "a red circle" in told
    assert str(job["request"]["seed"]) in told
    studio.visit()
    kept = studio.page.locator("#gallery button img").first
    kept.wait_for()
    assert job["id"] in kept.get_attribute("src")


def test_a_drawing_that_waits_is_cancelled(studio: Any) -> None:
    before = studio.api.submit(kind="generate", prompt="a slow one", count=64, steps=250)
    studio.page.locator("#prompt textarea").fill("one that is not wanted")
    job = studio.asks(studio.page.locator("#draw").click)
    studio.page.locator("#cancel:not([disabled])").click()
    studio.page.get_by_text("this was cancelled").wait_for()
    studio.api.delete(f"jobs/{before}")
    assert studio.api.job(job["id"])["state"] == "cancelled"


def test_a_running_drawing_is_found_again_by_the_page_opened_anew(studio: Any) -> None:
    before = studio.api.submit(kind="generate", prompt="a slow one", count=64, steps=250)
    studio.page.locator("#prompt textarea").fill("one that goes on")
    job = studio.asks(studio.page.locator("#draw").click)
    studio.page.locator("#cancel:not([disabled])").wait_for()
    studio.visit()
    studio.page.get_by_text("waiting, 1 before it").wait_for()
    studio.page.locator("#cancel:not([disabled])").click()
    studio.page.get_by_text("this was cancelled").wait_for()
    assert studio.api.job(job["id"])["state"] == "cancelled"
    studio.api.delete(f"jobs/{before}")
    studio.visit()
    studio.page.locator("#draw:not([disabled])").wait_for()
    assert studio.page.locator("#stage .bar").count() == 0


def test_a_drawing_found_again_shows_its_previews_and_its_picture(studio: Any) -> None:
    studio.page.locator("#prompt textarea").fill("one that is seen again")
    studio.unfold("Settings")
    studio.page.locator("#steps input[type=number]").fill("100")
    job = studio.asks(studio.page.locator("#draw").click)
    studio.api.until(job["id"], "preview")
    studio.visit()
    studio.page.locator(f"#stage .picked img[src*='{job['id']}'], #stage .pictures img").first.wait_for()
    studio.page.locator(f"#stage .picked img[src*='{job['id']}']").wait_for()


def test_a_picture_is_shown_and_saved_in_the_size_that_is_chosen(studio: Any) -> None:
    page = studio.page
    page.locator("#shown-size input").click()
    page.get_by_role("option", name="32 × 32").click()
    job = studio.draw("a small one")
    assert "32 × 32, resampled from 16 × 16" in page.locator("#stage .picked").inner_text()
    shown = page.locator("#stage .picked img")
    assert shown.evaluate(
        "image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])"
    ) == [
        32,
        32,
    ]
    with page.expect_download() as saved:
        page.get_by_text("Download", exact=True).click()
    data = saved.value.path().read_bytes()
    (name,) = job["files"]
    assert saved.value.suggested_filename == name.replace(".png", "-32x32.png")
    assert data == studio.file(job, name, size="32x32")
    page.locator("#shown-size input").fill("24x20")
    page.locator("#shown-size input").press("Enter")
    page.locator("#stage .picked img[src$='size=24x20']").wait_for()
    page.locator("#shown-size input").fill("small")
    page.locator("#shown-size input").press("Enter")
    page.get_by_text(
        "a size is a width and a height in pixels, such as 512x512, not 'small'"
    ).first.wait_for()
    studio.visit()
    studio.unfold("Restore a request")
    page.locator("#restore input[type=file]").set_input_files(
        {"name": name, "mimeType": "image/png", "buffer": data}
    )
    page.wait_for_function("document.querySelector('#shown-size input').value === '32 × 32'")


def test_a_refusal_is_a_sentence(studio: Any) -> None:
    studio.seed().fill("many")
    studio.page.locator("#draw").click()
    studio.page.get_by_text("a seed is a whole number such as 42, not 'many'").wait_for()
    studio.seed().fill("")


def test_the_painted_part_is_drawn_anew(studio: Any, png: bytes) -> None:
    page = studio.page
    studio.unfold("Start from a picture")
    page.locator("#start input[type=file]").set_input_files(
        {"name": "two.png", "mimeType": "image/png", "buffer": png}
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
    job = studio.draw("a green square")
    assert job["request"]["mask"] == "mask"
    assert job["request"]["paste"]
    (name,) = job["files"]
    with Image.open(BytesIO(studio.file(job, name))) as image:
        assert image.getpixel((1, image.height - 2))[2] > 100, "what was not painted stays navy"
        assert image.getpixel((1, image.height - 2))[0] < 60
    page.get_by_role("button", name="Remove the picture").click()
