"""The data report: every fault that is planted is told, nothing else is, and nothing is changed."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rhinoise.cli.render import show
from rhinoise.core.errors import ConfigError, RhinoiseError
from rhinoise.data.doctor import CHECKS, DataReport
from rhinoise.workflows.inspect import InspectRequest, inspect, tables


def scene(seed: int, size: tuple[int, int] = (96, 96)) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def put(folder: Path, name: str, picture: Image.Image, caption: str | None) -> None:
    picture.save(folder / name)
    if caption is not None:
        (folder / name).with_suffix(".txt").write_text(caption, encoding="utf-8")


def healthy(folder: Path, count: int = 40) -> Path:
    folder.mkdir()
    for index in range(count):
        put(folder, f"{index:02}.png", scene(index), f"scene number {index}")
    return folder


def looked(folder: Path, **more: object) -> DataReport:
    return show(inspect(InspectRequest(source=str(folder), **more)))


def near_copies(folder: Path) -> None:
    """Every picture once more, as a JPEG: some copies are held out, their originals not."""
    for index in range(40):
        put(folder, f"{index:02} again.jpg", scene(index), f"scene number {index} again")


PLANTED: dict[str, Callable[[Path], None]] = {
    "too few": lambda folder: [path.unlink() for path in folder.glob("[1-3]*")] and None,
    "one caption": lambda folder: [path.write_text("a scene") for path in folder.glob("*.txt")] and None,
    "cannot be opened": lambda folder: (
        put(folder, "x.png", scene(99), "x") or (folder / "x.png").write_bytes(b"no")
    ),
    "without a caption": lambda folder: put(folder, "x.png", scene(99), None),
    "held-out leak": near_copies,
    "look alike": lambda folder: put(folder, "x.webp", scene(3), "the third again"),
    "flat": lambda folder: put(folder, "x.png", Image.new("RGB", (96, 96), "teal"), "teal all over"),
    "too small": lambda folder: put(folder, "x.png", scene(99, (40, 30)), "a tiny scene"),
    "too long": lambda folder: put(folder, "x.png", scene(99), " ".join("abcdefghijklmnopqrst")),
    "one word": lambda folder: put(folder, "x.png", scene(99), "scene"),
    "long and narrow": lambda folder: put(folder, "x.png", scene(99, (300, 90)), "a wide scene"),
    "caption without a picture": lambda folder: (folder / "x.txt").write_text("nowhere") and None,
    "known captions": lambda folder: (
        [path.write_text(f"scene {int(path.stem) % 2}") for path in folder.glob("*.txt")] and None
    ),
}


def test_nothing_is_said_of_healthy_pictures(tmp_path: Path) -> None:
    folder = healthy(tmp_path / "set")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    found = looked(folder)
    assert found.mend == ()
    assert tables(found)[-1][1] == [("", "nothing: these pictures can be trained on as they are")]
    assert (found.pictures, found.training + found.held_out, found.alike) == (40, 40, 0)
    assert found.files.formats == {"PNG": 40}
    assert found.files.smallest == found.files.largest == (96, 96)
    assert dict(found.captions.frequent)["scene"] == 40
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("check", CHECKS)
def test_every_fault_is_found_and_its_place_is_that_of_the_table(check: str, tmp_path: Path) -> None:
    folder = healthy(tmp_path / "set")
    PLANTED[check](folder)
    told = [advice.check for advice in looked(folder).mend]
    assert check in told
    assert told == [name for name in CHECKS if name in told]


def test_the_page_is_whole_and_needs_nothing_else(tmp_path: Path) -> None:
    folder = healthy(tmp_path / "set")
    near_copies(folder)
    put(folder, "bad <b>.png", scene(99), None)
    (folder / "00.txt").write_text("<script>alert(1)</script> & more")
    found = looked(folder, out=tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "bad &lt;b&gt;.png" in page
    assert set(re.findall(r'(?:src|href)="([a-z]+):', page)) == {"data"}
    assert not re.search(r"url\(|@import", page.replace("url(#", ""))
    assert page.count("<svg") == page.count("</svg>") == 3
    kept = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert [advice["check"] for advice in kept["mend"]] == [advice.check for advice in found.mend]


def test_out_among_the_pictures_is_refused(tmp_path: Path) -> None:
    folder = healthy(tmp_path / "set", 2)
    with pytest.raises(ConfigError, match="never changed"):
        looked(folder, out=folder / "report")
    assert len(list(folder.iterdir())) == 4


@pytest.mark.parametrize("bad", ["empty", "gone", "no captions", "all broken"])
def test_what_nothing_can_be_learnt_from_is_told_in_a_sentence(bad: str, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    if bad != "gone":
        folder.mkdir()
    if bad == "no captions":
        put(folder, "x.png", scene(0), None)
    if bad == "all broken":
        (folder / "x.png").write_bytes(b"no picture")
        (folder / "x.txt").write_text("a picture")
    with pytest.raises(RhinoiseError) as caught:
        looked(folder)
    assert "\n" not in str(caught.value)


def test_one_picture_is_enough_for_a_page(tmp_path: Path) -> None:
    found = looked(healthy(tmp_path / "set", 1), out=tmp_path / "out")
    assert [advice.check for advice in found.mend] == ["too few"]
    assert (tmp_path / "out" / "report.html").is_file()
