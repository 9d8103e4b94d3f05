"""The embedded set: how many, which pairs, which names, and that they are drawn."""

from collections import Counter

import numpy as np
import pytest

from rhinoise.core.images import WHITE
from rhinoise.data.dataset import split
from rhinoise.data.emoji import _SKIN_TONES, STYLES, draw, open_emoji


@pytest.fixture(scope="module")
def emoji():
    return open_emoji()


def index(emoji, caption: str) -> int:
    return next(place for place, example in enumerate(emoji.examples) if example.captions == (caption,))


def test_every_subject_is_there_in_every_style(emoji):
    assert len(emoji) == pytest.approx(3850, abs=100)
    styles_of = Counter(example.tags["subject"] for example in emoji.examples)
    assert set(styles_of.values()) == {len(STYLES)}


def test_no_two_captions_are_the_same(emoji):
    captions = [example.captions for example in emoji.examples]
    assert len(set(captions)) == len(captions)
    assert ("rhinoceros, twemoji style",) in captions
    assert ("rhinoceros, openmoji style",) in captions


def test_there_are_no_skin_tone_doubles(emoji):
    assert not any(_SKIN_TONES & set(example.name.partition("/")[2].split("-")) for example in emoji.examples)


def test_groups_are_those_of_unicode(emoji):
    groups = Counter(example.tags["group"] for example in emoji.examples)
    assert groups["Animals & Nature"] > 250
    assert len(groups) == 10  # nine, and the hair components


def test_held_out_pictures_have_their_subject_and_no_copy_in_training(emoji):
    train, held = split(emoji)
    assert len(held) / len(emoji) == pytest.approx(0.05, abs=0.008)
    trained = [emoji.examples[place] for place in train]
    left = [emoji.examples[place] for place in held]
    assert {example.tags["subject"] for example in left} <= {example.tags["subject"] for example in trained}
    assert not {example.digest for example in left} & {example.digest for example in trained}
    assert {example.tags["style"] for example in left} == set(STYLES)


@pytest.mark.parametrize("size", [32, 64])
def test_pictures_have_the_size_and_background_asked_for(emoji, size):
    picture = emoji.picture(index(emoji, "red heart, twemoji style"), size, (10, 20, 30))
    assert picture.size == (size, size)
    assert picture.getpixel((0, 0)) == (10, 20, 30)


@pytest.mark.parametrize(
    ("caption", "colour"),
    [
        ("large red square, twemoji style", (221, 46, 68)),
        ("large red square, openmoji style", (210, 47, 39)),
        ("large blue circle, twemoji style", (85, 172, 238)),
        ("black large square, twemoji style", (49, 55, 61)),
    ],
)
def test_colours_are_those_of_the_drawing(emoji, caption, colour):
    assert emoji.picture(index(emoji, caption), 64).getpixel((32, 32)) == colour


def test_a_sample_is_drawn_centred_and_neither_empty_nor_black(emoji):
    for place in range(0, len(emoji), 97):
        ink = (np.asarray(emoji.picture(place, 64)) < 240).any(2)
        rows, columns = np.nonzero(ink)
        assert 0.01 < ink.mean() < 0.99, emoji.examples[place].name
        assert abs(rows.mean() - 31.5) < 14, emoji.examples[place].name
        assert abs(columns.mean() - 31.5) < 14, emoji.examples[place].name


def test_a_drawing_that_is_not_square_keeps_its_proportions():
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><path d="M0 0h40v20H0z"/></svg>'
    ink = np.asarray(draw(svg, 32, WHITE).convert("L")) < 128
    assert ink.shape == (32, 32)
    assert ink.all(1).tolist() == [8 <= row < 24 for row in range(32)]
