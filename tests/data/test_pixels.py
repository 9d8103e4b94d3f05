"""Prepared pictures: the same as decoding one by one, found again, and noticed when anything changes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rhinoise.core.errors import DataError, DiskFullError, PictureError
from rhinoise.core.images import square, to_tensor
from rhinoise.data import pixels
from rhinoise.data.dataset import Dataset, Example
from rhinoise.data.folder import open_folder
from rhinoise.data.pixels import Preparation, Prepared, Progress, preparing

SMALL = Preparation(size=16)


def prepare(dataset: Dataset, preparation: Preparation, cache: Path) -> Prepared:
    """`preparing`, without its reports."""
    work = preparing(dataset, preparation, cache)
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def numbers(count: int, broken: frozenset[int] = frozenset()) -> tuple[Dataset, list[int]]:
    """Pictures of one colour each, and a record of which were read."""
    read_so_far: list[int] = []

    def read(index, size, background):
        read_so_far.append(index)
        if index in broken:
            raise PictureError("it is broken")
        return Image.new("RGB", (20 + index % 7, 20), (index, 0, 255 - index))

    examples = tuple(
        Example(name=f"{index:03}", captions=("x",), digest=f"{index:064x}") for index in range(count)
    )
    return Dataset(name="numbers", examples=examples, read=read), read_so_far


@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_prepared_pictures_are_those_decoded_one_by_one(tmp_path, fit):
    dataset, _ = numbers(150)
    prepared = prepare(dataset, replace(SMALL, fit=fit), tmp_path)
    assert prepared.array.shape == (150, 3, 16, 16)
    assert isinstance(prepared.array, np.memmap)
    indices = [149, 0, 70, 70]
    direct = to_tensor([square(dataset.picture(index), 16, fit) for index in indices])
    assert torch.equal(prepared.images(indices), direct)


def test_every_picture_is_decoded_once_and_never_again(tmp_path):
    dataset, read = numbers(150)
    first = prepare(dataset, SMALL, tmp_path)
    assert sorted(read) == list(range(150))
    second = prepare(dataset, SMALL, tmp_path)
    assert len(read) == 150
    assert second.key == first.key
    assert np.array_equal(first.array, second.array)


def test_broken_pictures_are_skipped_and_stay_so(tmp_path):
    dataset, read = numbers(150, broken=frozenset({0, 64, 149}))
    for _ in range(2):
        prepared = prepare(dataset, SMALL, tmp_path)
        assert [(skip.name, skip.reason) for skip in prepared.dataset.skipped] == [
            (name, "it is broken") for name in ("000", "064", "149")
        ]
        assert len(prepared) == len(prepared.dataset) == 147
        for index, example in enumerate(prepared.dataset.examples):
            assert prepared.array[index, 0, 8, 8] == int(example.name)
    assert len(read) == 150


CHANGES = {
    "size": lambda dataset, preparation: (dataset, replace(preparation, size=17)),
    "fit": lambda dataset, preparation: (dataset, replace(preparation, fit="crop")),
    "background": lambda dataset, preparation: (dataset, replace(preparation, background=(0, 0, 0))),
    "a picture less": lambda dataset, preparation: (dataset.subset(range(9)), preparation),
    "order": lambda dataset, preparation: (dataset.subset(range(9, -1, -1)), preparation),
    "a picture changed": lambda dataset, preparation: (
        replace(dataset, examples=(replace(dataset.examples[0], digest="f" * 64), *dataset.examples[1:])),
        preparation,
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_is_noticed(tmp_path, change):
    dataset, read = numbers(10)
    before = prepare(dataset, SMALL, tmp_path)
    changed, preparation = CHANGES[change](dataset, SMALL)
    read.clear()
    assert prepare(changed, preparation, tmp_path).key != before.key
    assert len(read) == len(changed)


def test_captions_and_names_may_change_freely(tmp_path):
    dataset, read = numbers(10)
    prepare(dataset, SMALL, tmp_path)
    examples = tuple(replace(example, name="new", captions=("y",)) for example in dataset.examples)
    assert prepare(replace(dataset, examples=examples), SMALL, tmp_path).dataset.examples == examples
    assert len(read) == 10


def test_progress_is_reported_and_stopping_leaves_nothing(tmp_path):
    dataset, _ = numbers(150)
    work = preparing(dataset, SMALL, tmp_path / "cache")
    assert next(work) == Progress(64, 150)
    work.close()
    assert list((tmp_path / "cache").iterdir()) == []
    assert list(preparing(dataset, SMALL, tmp_path / "cache"))[-1] == Progress(150, 150)


def test_a_fault_while_decoding_leaves_nothing(tmp_path):
    dataset, _ = numbers(3)

    def read(index, size, background):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        prepare(replace(dataset, read=read), SMALL, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_nothing_decodable_is_an_error(tmp_path):
    dataset, _ = numbers(3, broken=frozenset(range(3)))
    with pytest.raises(DataError, match=r"none of the 3 pictures of numbers can be decoded.*it is broken"):
        prepare(dataset, SMALL, tmp_path)


def test_a_full_disk_is_noticed_before_decoding(tmp_path, monkeypatch):
    dataset, read = numbers(3)
    monkeypatch.setattr(pixels, "free_bytes", lambda path: 100)
    with pytest.raises(DiskFullError, match="RHINOISE_CACHE"):
        prepare(dataset, SMALL, tmp_path)
    assert not read


def test_a_folder_with_a_truncated_picture(tmp_path):
    """Headers are read when the folder is opened; what only decoding tells is told by `prepare`."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    noise.save(folder / "good.png")
    noise.save(folder / "cut.jpg")
    (folder / "cut.jpg").write_bytes((folder / "cut.jpg").read_bytes()[:-1000])
    dataset = open_folder(folder, captions="names")
    prepared = prepare(dataset, SMALL, tmp_path / "cache")
    assert [example.name for example in prepared.dataset.examples] == ["good.png"]
    assert [skip.name for skip in prepared.dataset.skipped] == ["cut.jpg"]
    assert "truncated" in prepared.dataset.skipped[0].reason


def test_a_file_that_changes_meanwhile_is_not_taken_for_the_old_one(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("one", "two"):
        Image.new("RGB", (16, 16)).save(folder / f"{name}.png")
    dataset = open_folder(folder, captions="names")
    Image.new("RGB", (16, 16), "red").save(folder / "two.png")
    assert "changed" in prepare(dataset, SMALL, tmp_path / "cache").dataset.skipped[0].reason
