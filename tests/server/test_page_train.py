"""The tab Train in a real chromium: a folder dropped and trained on, by a server that is killed meanwhile."""

import csv
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

# Sockets that gradio and playwright leave to the garbage collector are theirs to close.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*no_silent_downcasting", "ignore::pytest.PytestUnraisableExceptionWarning"
)

PATIENCE = 90_000
"""Milliseconds that anything may take, on a slow machine."""
PETS = ("cats", "dogs")
EACH = 15
"""Pictures of each, whose files have the same names."""


class Restarted:
    """A server that can be killed and begun again, at one address and on one data folder."""

    def __init__(self, begun: Callable[..., Any], port: int, data: Path) -> None:
        self.begun, self.port, self.data = begun, port, data
        self.address = f"http://127.0.0.1:{port}"
        self.held = ExitStack()
        self.process = self.held.enter_context(begun(port, data))

    def kill(self) -> None:
        """As a power cut would."""
        self.process.kill()
        self.held.close()

    def begin(self) -> None:
        """Again."""
        self.process = self.held.enter_context(self.begun(self.port, self.data))


@pytest.fixture(scope="module")
def own(
    begun: Callable[..., Any], free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Restarted]:
    """A server that no other test uses."""
    server = Restarted(begun, free_port(), tmp_path_factory.mktemp("own"))
    yield server
    server.held.close()


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of cats with a file for each caption, dogs in a table, a note, and a hidden file."""
    folder = tmp_path_factory.mktemp("dropped") / "my pets"
    for pet in PETS:
        (folder / pet).mkdir(parents=True)
        for number in range(EACH):
            colour = (16 * number, 255 - 16 * number, 99 if pet == "cats" else 200)
            Image.new("RGB", (48, 40), colour).save(folder / pet / f"{number}.png")
    for number in range(EACH):
        (folder / "cats" / f"{number}.txt").write_text(f"a cat of colour {number}")
    rows = [(f"dogs/{number}.png", f"a dog of colour {number}") for number in range(EACH)]
    with (folder / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file_name", "text"), *rows])
    (folder / "dogs" / "notes.pdf").write_bytes(b"%PDF-1.7")
    (folder / ".DS_Store").write_bytes(b"hidden")
    return folder


@pytest.fixture
def page(browser: Any, own: Restarted) -> Iterator[Any]:
    """The tab Train, opened by somebody who has not been there before."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    visit(opened, own)
    yield opened
    context.close()


def visit(page: Any, own: Restarted) -> None:
    """Open the page, and in it the tab Train."""
    page.goto(own.address)
    page.get_by_text("ready, on").wait_for()
    page.get_by_role("tab", name="Train", exact=True).click()


def drop(page: Any, folder: Path) -> None:
    """What a person does who drags a folder there."""
    area = page.locator("#drop .drop")
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + 10}
    data = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
    browser = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        browser.send("Input.dispatchDragEvent", {"type": kind, "data": data, **place})


def train(page: Any, name: str, tiny: list[str], images: int) -> None:
    """Press Train."""
    page.locator("#name input, #name textarea").fill(name)
    page.locator("#size input").fill("16")
    page.locator("#size input").press("Enter")
    page.locator("button.label-wrap", has_text="More").click()
    page.locator("#settings textarea").fill("\n".join([*tiny[5::2], f"images={images}", "minutes=null"]))
    page.locator("#begin").click()


def steps_done(page: Any) -> int:
    """How far the training is that the page shows, in steps of its first stage."""
    said = page.locator("#training .bar span", has_text=re.compile(r"autoencoder, \d+ of"))
    return int(re.findall(r"\d+", said.inner_text())[0])


def test_a_dropped_folder_arrives_as_it_was_is_looked_at_and_trained_on(
    page: Any, own: Restarted, pets: Path, tiny: list[str]
) -> None:
    others = set((own.data / "uploads").iterdir())
    drop(page, pets)
    page.get_by_text("30 pictures and 16 files of captions are here").wait_for()
    said = page.locator("#drop .note").inner_text()
    assert "1 file was left out, such as my pets/dogs/notes.pdf: this is not a picture" in said
    (kept,) = set((own.data / "uploads").iterdir()) - others
    files = [file.relative_to(pets.parent) for file in pets.rglob("*") if file.is_file()]
    taken = [file for file in files if file.name not in ("notes.pdf", ".DS_Store")]
    arrived = [file for file in kept.rglob("*") if file.is_file()]
    assert sorted(file.relative_to(kept) for file in arrived) == sorted(taken)
    assert all((kept / file).read_bytes() == (pets.parent / file).read_bytes() for file in taken)

    report = page.frame_locator("#report iframe")
    report.get_by_text("The pictures of my pets").wait_for()
    assert page.locator("#source input").input_value().startswith("my pets: 30 pictures, dropped ")
    train(page, "pets", tiny, 64)
    page.get_by_text("done: the model is in the list").wait_for()
    assert "pets" in [model["name"] for model in httpx.get(f"{own.address}/api/v1/models").json()]


def test_what_is_of_no_use_is_refused_in_a_sentence(page: Any, own: Restarted, tmp_path: Path) -> None:
    (tmp_path / "papers").mkdir()
    drop(page, tmp_path / "papers")
    page.get_by_text("there are no files in it").wait_for()
    (tmp_path / "papers" / "a.pdf").write_bytes(b"%PDF-1.7")
    before = page.locator("#source input").input_value()
    drop(page, tmp_path / "papers")
    page.get_by_text("none of what was sent is a picture or a caption: papers/a.pdf").wait_for()
    assert page.locator("#source input").input_value() == before


def test_captions_are_found_in_the_names_of_files_where_one_says_so(
    page: Any, tmp_path: Path, tiny: list[str]
) -> None:
    (tmp_path / "bare").mkdir()
    for name in ("a red fish", "a blue fish", "a green fish"):
        Image.new("RGB", (32, 32), name.split()[1]).save(tmp_path / "bare" / f"{name}.png")
    page.locator("#drop input[webkitdirectory]").set_input_files(tmp_path / "bare")
    page.locator("#report .empty", has_text="have no captions").wait_for()
    page.get_by_label("in the names of the files").check()
    page.locator("#inspect").click()
    page.frame_locator("#report iframe").get_by_text("The pictures of bare").wait_for()
    train(page, "my fish", tiny, 8)
    page.get_by_text("'my fish' is no name: take letters, digits, _ and -").wait_for()


def test_a_training_is_put_off_gone_on_with_killed_and_stopped(
    page: Any, own: Restarted, pets: Path, tiny: list[str]
) -> None:
    """Through all of it the page is opened anew, and comes back to where the training stands."""
    drop(page, pets)
    page.get_by_text("30 pictures and 16 files of captions are here").wait_for()
    train(page, "long", tiny, 10**6)
    before = steps_done(page)
    page.locator("#pause").click()
    page.get_by_text("paused: it goes on where it was").wait_for()
    visit(page, own)
    page.get_by_text("paused: it goes on where it was").wait_for()
    assert page.locator("#training svg").count() == 1
    page.locator("#resume").click()
    assert (resumed := steps_done(page)) > before
    visit(page, own)
    assert steps_done(page) >= resumed

    own.kill()
    own.begin()
    visit(page, own)
    assert steps_done(page) > 0
    assert page.locator("#which input").input_value() == "long, running"
    page.locator("#source input").click()
    page.get_by_role("option", name="my pets: 30 pictures").first.wait_for()
    page.keyboard.press("Escape")
    page.locator("#stop").click()
    page.get_by_text("stopped: it goes on where it was").wait_for()
    (job,) = [
        job
        for job in httpx.get(f"{own.address}/api/v1/jobs", params={"kind": "train"}).json()
        if job["request"]["name"] == "long"
    ]
    assert job["state"] == "cancelled"
