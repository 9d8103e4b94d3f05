"""What was drawn, drawn again: its request restored, changed, or its picture started from."""

from contextlib import suppress
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import TimeoutError

# Sockets that gradio and playwright leave to the garbage collector are theirs to close.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*no_silent_downcasting", "ignore::pytest.PytestUnraisableExceptionWarning"
)


def pixels(data: bytes) -> np.ndarray:
    """A picture, in 255ths."""
    with Image.open(BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"), int)


@pytest.fixture(scope="module")
def fine(studio: Any) -> dict[str, Any]:
    """A drawing of two pictures in which nothing is as the model does it by itself."""
    id = studio.api.submit(
        kind="generate",
        prompt="an orange ring",
        negative="blue",
        seed=77,
        count=2,
        steps=3,
        guidance=17.25,
        guidance_interval=[0.123, 0.9],
        guidance_rescale=0.335,
        sampler="heun",
        spacing="karras",
    )
    job = studio.api.ended(id)
    assert job["state"] == "done", job["error"]
    return job


def picture_of(job: dict[str, Any], place: int | None = None) -> str:
    """The name of a picture of it; the last one."""
    place = job["request"]["count"] - 1 if place is None else place
    return next(name for name in job["files"] if name.endswith(f"-{job['request']['seed']}-{place:02d}.png"))


def half() -> bytes:
    """A mask that is white on its right half, of the size that the page makes them."""
    image = Image.new("L", (512, 512))
    image.paste(255, (256, 0, 512, 512))
    buffer = BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def pick(studio: Any, job: dict[str, Any], name: str) -> None:
    """Look at a picture of the gallery, which shows it after the page was opened anew.

    Once more where the page has just then shown the last drawing, which it was left at.
    """
    studio.tab("Create")
    shown = studio.page.locator(f"#stage .picked img[src*='{job['id']}/files/{name}']")

    for _ in range(6):
        studio.page.locator(f"#gallery button[data-pick='job:{job['id']}/{name}']").click()
        with suppress(TimeoutError):
            shown.wait_for(timeout=15_000)
            return
    shown.wait_for()


def press(studio: Any, name: str) -> Any:
    """What presses a button that a picked picture offers."""
    return studio.page.locator("#actions").get_by_role("button", name=name).click


def is_same(studio: Any, job: dict[str, Any], name: str, again: dict[str, Any]) -> bool:
    """Whether the last picture of another drawing is this one, to 1 of 255."""
    last = picture_of(again)
    return int(abs(pixels(studio.file(job, name)) - pixels(studio.file(again, last))).max()) <= 1


def test_a_dropped_picture_restores_all_of_its_request(studio: Any, fine: dict[str, Any]) -> None:
    """Guidance's interval and rescale and the spacing were lost once: another picture came."""
    name = picture_of(fine)
    studio.unfold("Restore a request")
    studio.page.locator("#restore input[type=file]").set_input_files(
        {"name": name, "mimeType": "image/png", "buffer": studio.file(fine, name)}
    )
    studio.page.wait_for_function("document.querySelector('#prompt textarea').value === 'an orange ring'")
    assert studio.seed().input_value() == "77"
    again = studio.draw("an orange ring")
    own = ("model", "seed", "count", "preview")
    asked = {name: value for name, value in fine["request"].items() if name not in own}
    assert asked == {name: again["request"][name] for name in asked}
    assert is_same(studio, fine, name, again)


def test_its_request_is_filled_in(studio: Any, fine: dict[str, Any]) -> None:
    studio.visit()
    name = picture_of(fine)
    pick(studio, fine, name)
    press(studio, "Its request")()
    studio.page.wait_for_function("document.querySelector('#prompt textarea').value === 'an orange ring'")
    again = studio.drawn(studio.page.locator("#draw").click)
    assert is_same(studio, fine, name, again)


def test_more_like_this_is_the_same_with_other_seeds(studio: Any, fine: dict[str, Any]) -> None:
    studio.visit()
    pick(studio, fine, picture_of(fine))
    job = studio.drawn(press(studio, "More like this"))
    request = job["request"]
    assert request["seed"] != 77
    assert request["count"] == 4
    assert request["image"] is None
    changed = {"seed", "count", "preview"}
    assert {name for name, value in request.items() if value != fine["request"][name]} == changed


def test_a_variation_starts_from_the_picture(studio: Any, fine: dict[str, Any]) -> None:
    studio.visit()
    name = picture_of(fine)
    pick(studio, fine, name)
    request = studio.drawn(press(studio, "Vary"))["request"]
    assert (request["image"], request["mask"], request["strength"]) == ("image", None, 0.5)
    assert request["prompt"] == "an orange ring"
    assert f"{fine['id']}/files/{name}" in studio.page.locator("#start .easel img").get_attribute("src")


def test_a_picture_is_painted_on(studio: Any, fine: dict[str, Any]) -> None:
    studio.visit()
    name = picture_of(fine)
    pick(studio, fine, name)
    press(studio, "Paint on it")()
    studio.page.locator(f"#start .easel img[src*='{fine['id']}/files/{name}']").wait_for()
    studio.page.get_by_role("button", name="Paint all").click()
    studio.page.get_by_text("What is painted will be drawn anew.").wait_for()
    job = studio.draw("a blue bar")
    request = job["request"]
    assert (request["image"], request["mask"], request["strength"]) == ("image", "mask", 1.0)
    assert request["paste"]


def test_the_request_of_a_painted_picture_brings_what_it_started_from(studio: Any, png: bytes) -> None:
    """Half of a picture was drawn anew; it is again, from the picture and the paint that its job kept."""
    sent = [studio.api.post("uploads", files={"file": data}).json()["name"] for data in (png, half())]
    asked = {"prompt": "a green bar", "seed": 9, "steps": 3, "strength": 0.75, "paste": True}
    id = studio.api.submit(kind="generate", image=sent[0], mask=sent[1], **asked)
    job = studio.api.ended(id)
    assert job["state"] == "done", job["error"]
    studio.visit()
    pick(studio, job, picture_of(job))
    press(studio, "Its request")()
    studio.page.get_by_text("What is painted will be drawn anew.").wait_for()
    again = studio.drawn(studio.page.locator("#draw").click)
    assert again["request"]["mask"] == "mask"
    assert is_same(studio, job, picture_of(job), again)
    # And the request of one that started from nothing takes that away.
    plain = studio.api.ended(studio.api.submit(kind="generate", prompt="a plain one", seed=10, steps=3))
    studio.visit()
    pick(studio, job, picture_of(job))
    press(studio, "Its request")()
    studio.page.get_by_text("What is painted will be drawn anew.").wait_for()
    pick(studio, plain, picture_of(plain))
    press(studio, "Its request")()
    studio.page.wait_for_function("document.querySelector('#prompt textarea').value === 'a plain one'")
    assert studio.drawn(studio.page.locator("#draw").click)["request"]["image"] is None


def test_a_walk_goes_from_the_one_picked_before_to_the_last(studio: Any, fine: dict[str, Any]) -> None:
    studio.visit()
    ends = [picture_of(fine, place) for place in (0, 1)]
    for name in ends:
        pick(studio, fine, name)
    job = studio.done(press(studio, "Walk from A to B"), "walk")
    shown = studio.page.locator("#stage .flip figure")
    studio.page.locator("#stage .flip input[type=range]").wait_for()
    assert shown.count() == job["request"]["frames"] == len(job["files"])
    for place, name in zip((0, -1), ends, strict=True):
        frame = pixels(studio.file(job, sorted(job["files"])[place]))
        far = [abs(frame - pixels(studio.file(fine, other))).mean() for other in (name, *set(ends) - {name})]
        assert far[0] < far[1], "an end of the walk is nearer to the other picture"
