"""The split: a function of content alone."""

import hashlib
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rhinoise.data.dataset import Dataset, Example, split


def dataset(contents: list[int]) -> Dataset:
    examples = tuple(
        Example(
            name=f"{index}.png", captions=("x",), digest=hashlib.sha256(str(content).encode()).hexdigest()
        )
        for index, content in enumerate(contents)
    )

    def read(index, size, background):
        return Image.new("RGB", (8, 8), (contents[index], 0, 0))

    return Dataset(name="numbers", examples=examples, read=read)


def held_out(pictures: Dataset, fraction: float = 0.05) -> set[str]:
    return {pictures.examples[index].digest for index in split(pictures, fraction)[1]}


@given(st.lists(st.integers(0, 50), max_size=60))
def test_every_picture_is_on_one_side_and_copies_are_together(contents):
    train, held = split(dataset(contents))
    assert sorted(train + held) == list(range(len(contents)))
    assert not {contents[index] for index in train} & {contents[index] for index in held}
    different = len(set(contents)) > 1
    assert bool(held) == (len(contents) >= 20 and different)
    assert bool(train) == bool(contents)


def test_order_names_and_neighbours_do_not_matter():
    whole = dataset(list(range(400)))
    shuffled = whole.subset(random.Random(0).sample(range(400), 400))
    renamed = replace(whole, examples=tuple(replace(example, name="other") for example in whole.examples))
    assert held_out(whole) == held_out(shuffled) == held_out(renamed)
    more = dataset(list(range(500)))
    assert held_out(whole) <= held_out(more)


@pytest.mark.parametrize("fraction", [0.02, 0.05, 0.2])
def test_about_the_fraction_is_held_out(fraction):
    count = len(split(dataset(list(range(2000))), fraction)[1])
    expected, deviation = 2000 * fraction, (2000 * fraction * (1 - fraction)) ** 0.5
    assert abs(count - expected) < 4 * deviation


def test_nothing_is_held_out_for_a_fraction_of_zero():
    assert split(dataset(list(range(100))), 0.0)[1] == []


def test_a_subject_is_never_held_out_whole():
    examples = tuple(
        Example(
            name=f"{subject}-{style}",
            captions=("x",),
            digest=f"{subject}-{style}",
            split_key=f"{subject}, {style}",
            tags={"subject": str(subject)},
        )
        for subject in range(200)
        for style in "ab"
    )
    pictures = replace(dataset([]), examples=examples)
    _, held = split(pictures, 0.5)
    subjects = [examples[index].tags["subject"] for index in held]
    assert len(subjects) == len(set(subjects)) > 100


def test_copies_under_different_keys_are_learnt_from():
    examples = tuple(
        Example(name=str(index), captions=("x",), digest=str(index // 2), split_key=f"key {index}")
        for index in range(200)
    )
    assert split(replace(dataset([]), examples=examples), 0.5)[1] == []


def test_a_subset_reads_its_own_pictures():
    subset = dataset([5, 6, 7]).subset([2, 0])
    assert [subset.picture(index).getpixel((0, 0))[0] for index in range(len(subset))] == [7, 5]
    assert subset.subset([1]).picture(0).getpixel((0, 0))[0] == 5
