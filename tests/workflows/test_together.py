"""Several requests drawn at once: each gets what `generate` makes of it alone, and only its own."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rhinoise.core.errors import ConfigError, PictureError
from rhinoise.core.images import to_pil
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.storage.provenance import read_provenance
from rhinoise.workflows import together as module
from rhinoise.workflows.events import Progress, Said, Wrote
from rhinoise.workflows.generate import DrawRequest, generate
from rhinoise.workflows.together import Ended, Glimpse, Of, alike, together

ONE_BYTE = 1
"""What batches of other sizes may move a picture by, in its last bit before rounding."""


@pytest.fixture
def asked(trained: Path, tmp_path: Path) -> list[DrawRequest]:
    """Three people's: one picture into a file, six of two prompts, and two with another seed."""
    one = DrawRequest(model=trained, prompts=("a red circle",), out=tmp_path / "one.png")
    return [
        one,
        replace(one, prompts=("a blue ring", "-"), count=3, seed=4, out=tmp_path / "six"),
        replace(one, negative="a blue ring", count=2, seed=9, out=tmp_path / "two"),
    ]


def files(out: Path) -> dict[str, Path]:
    return {path.name: path for path in (out.iterdir() if out.is_dir() else [out])}


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def compare(request: DrawRequest, alone: Path) -> list[Said]:
    """What was drawn for a request is what `generate` draws of it alone; what that says."""
    out = alone / request.out.name
    said = [event for event in generate(replace(request, out=out)) if isinstance(event, Said)]
    ours, its = files(request.out), files(out)
    assert ours.keys() == its.keys()
    for name, path in ours.items():
        assert read_provenance(path) == read_provenance(its[name])
        if name != "grid.png":  # on which the prompts are written
            assert abs(pixels(path) - pixels(its[name])).max() <= ONE_BYTE
    return said


def of(events: list[Of], place: int, kind: type) -> list:
    return [one.event for one in events if one.place == place and isinstance(one.event, kind)]


@pytest.mark.parametrize("most", [16, 4])
def test_each_gets_what_it_would_get_alone(
    asked: list[DrawRequest], most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one batch, and in three, one of which holds pictures of all requests."""
    monkeypatch.setattr(module, "BATCH", most)
    events = list(together(asked))
    for place, request in enumerate(asked):
        assert [one for one in events if one.place == place][-1] == Of(place, Ended())
        assert {wrote.path for wrote in of(events, place, Wrote)} == set(files(request.out).values())
        assert of(events, place, Said) == compare(request, tmp_path / "alone")


def test_each_is_told_how_far_it_is(asked: list[DrawRequest], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 1, 6 and 2 pictures four at a time, in two steps each."""
    monkeypatch.setattr(module, "BATCH", 4)
    events = list(together(asked))
    for place, batches in enumerate([1, 2, 2]):
        told = [(event.done, event.total) for event in of(events, place, Progress)]
        assert told == [(step, 2 * batches) for step in range(1, 2 * batches + 1)]
    glimpses = [of(events, place, Glimpse) for place in range(3)]
    assert [[one.first for one in own] for own in glimpses] == [[0, 0], [0, 0, 3, 3], [0, 0, 1, 1]]
    assert [[len(one.images()) for one in own] for own in glimpses] == [[1, 1], [3, 3, 3, 3], [1, 1, 1, 1]]
    assert {(one.step, one.total) for own in glimpses for one in own} == {(1, 2), (2, 2)}


def test_the_last_glimpse_is_the_picture_and_nothing_is_decoded_unasked(
    asked: list[DrawRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []
    decode = LatentDiffusion.decode
    monkeypatch.setattr(
        LatentDiffusion, "decode", lambda model, x: decoded.append(len(x)) or decode(model, x)
    )
    events = list(together(asked[:1]))
    assert decoded == [1]
    *_, last = of(events, 0, Glimpse)
    assert abs(np.asarray(to_pil(last.images())[0]).astype(int) - pixels(asked[0].out)).max() <= ONE_BYTE


def test_who_is_dropped_gets_nothing_and_the_others_all(asked: list[DrawRequest], tmp_path: Path) -> None:
    gone: set[int] = set()
    events = []
    for one in together(asked, cancelled=gone.__contains__):
        events.append(one)
        if isinstance(one.event, Glimpse):
            gone.add(1)
    assert len(of(events, 1, Progress)) == 1
    assert not of(events, 1, Ended)
    assert not asked[1].out.exists()
    for request in (asked[0], asked[2]):
        compare(request, tmp_path / "alone")


def test_nobody_is_drawn_for_when_all_are_gone(asked: list[DrawRequest], tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    gone: set[int] = set()
    for one in together(asked, cancelled=gone.__contains__):
        if isinstance(one.event, Progress):
            assert one.event.done == 1
            gone.add(one.place)
    assert gone == {0, 1, 2}
    assert set(tmp_path.iterdir()) == before


def test_what_goes_wrong_with_one_request_ends_that_one(
    asked: list[DrawRequest], tmp_path: Path, shapes: Path
) -> None:
    asked = [replace(one, image=shapes / "red-circle.png") for one in asked]
    asked[1] = replace(asked[1], image=tmp_path / "no such.png")
    asked.append(replace(asked[0], size=64, out=tmp_path / "large"))
    in_the_way = tmp_path / "two" / "a-red-circle-9-01.png"
    events = []
    for one in together(asked):
        events.append(one)
        if isinstance(one.event, Progress):
            in_the_way.mkdir(parents=True, exist_ok=True)
    (unreadable,), (unwritten,), (large,) = (of(events, place, Ended) for place in (1, 2, 3))
    assert isinstance(unreadable.error, PictureError)
    assert isinstance(unwritten.error, OSError)
    assert isinstance(large.error, ConfigError)
    assert of(events, 0, Ended) == [Ended()]
    compare(asked[0], tmp_path / "alone")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"steps": 3}, "differ in steps "),
        ({"model": "bundled", "precision": "fp32"}, "differ in model, precision "),
        ({"image": Path("a.png"), "strength": 0.5}, "differ in image, strength "),
        ({"film": True}, "differ in film "),
    ],
    ids=str,
)
def test_unlike_requests_are_refused(asked: list[DrawRequest], changed: dict, says: str) -> None:
    other = replace(asked[1], **changed)
    assert alike(asked[0]) == alike(asked[1]) != alike(other)
    with pytest.raises(ConfigError, match=says):
        list(together([asked[0], other]))


@pytest.mark.parametrize("kind", ["film", "check"])
def test_films_and_checks_are_refused(asked: list[DrawRequest], kind: str) -> None:
    with pytest.raises(ConfigError, match="films and checks"):
        list(together([replace(asked[0], **{kind: True})]))


def test_pictures_and_masks_are_each_requests_own(
    cli: Callable, asked: list[DrawRequest], shapes: Path, tmp_path: Path
) -> None:
    masks = []
    for name, box in {"left": (0, 0, 24, 40), "right": (24, 0, 48, 40)}.items():
        image = Image.new("L", (48, 40))
        image.paste(255, box)
        image.save(tmp_path / f"{name}.png")
        masks.append(tmp_path / f"{name}.png")
    pictures = [shapes / "red-circle.png", shapes / "blue-bar.png"]
    asked = [
        replace(one, image=picture, mask=mask, paste=True, fit=fit)
        for one, picture, mask, fit in zip(asked[1:], pictures, masks, ["pad", "crop"], strict=True)
    ]
    list(together(asked))
    for request in asked:
        compare(request, tmp_path / "alone")
