"""The enriched set: words and pictures are made together, and nothing held out is learnt from."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from rhinoise.core.images import WHITE
from rhinoise.data.colours import PAINTS, Paint, commonest_paint, differ, main_paint, painted, word
from rhinoise.data.composed import PLACES, caption, open_composed, paired, placed
from rhinoise.data.dataset import Dataset, split
from rhinoise.data.emoji import open_emoji
from rhinoise.data.suite import SEEN, UNSEEN, SuitePrompt, suite

SIZE = 32


@pytest.fixture(scope="module")
def composed() -> Dataset:
    return open_composed()


@pytest.fixture(scope="module")
def prompts() -> tuple[SuitePrompt, ...]:
    return suite()


def flat(colour: tuple[int, int, int]) -> Image.Image:
    return Image.new("RGB", (SIZE, SIZE), colour)


def ink(picture: Image.Image) -> tuple[float, float]:
    """Where the centre of what is not white is: across and down, from 0 to 1."""
    rows, columns = np.nonzero(np.asarray(picture).min(-1) < 255)
    return float(columns.mean() / (SIZE - 1)), float(rows.mean() / (SIZE - 1))


@pytest.mark.parametrize("name", PAINTS)
def test_a_paint_is_called_by_its_own_name(name: str) -> None:
    assert word(PAINTS[name]) == name
    assert main_paint(np.asarray(flat(PAINTS[name]))) == Paint(PAINTS[name], name)


@pytest.mark.parametrize("before", PAINTS)
@pytest.mark.parametrize("after", PAINTS)
def test_what_is_painted_has_the_new_paint_exactly(before: str, after: str) -> None:
    drawing = np.asarray(flat(PAINTS[before]))
    again = painted(drawing, Paint(PAINTS[before], before), PAINTS[after])
    assert np.abs(again.astype(int) - np.array(PAINTS[after])).max() <= 1


def test_outline_paper_and_other_paints_stay() -> None:
    stays = [(0, 0, 0), (255, 255, 255), PAINTS["blue"]]
    drawing = np.array([[*stays, PAINTS["red"]]], dtype=np.uint8)
    again = painted(drawing, Paint(PAINTS["red"], "red"), PAINTS["green"])
    assert again[0, :3].tolist() == [list(colour) for colour in stays]
    assert word(tuple(again[0, 3].tolist())) == "green"


def test_shades_keep_their_order_of_lightness() -> None:
    red = np.array(PAINTS["red"], float)
    drawing = np.stack([red * part for part in (0.4, 0.7, 1.0)])[None].astype(np.uint8)
    again = painted(drawing, Paint(PAINTS["red"], "red"), PAINTS["purple"]).sum(-1)[0]
    assert again[0] < again[1] < again[2]


def test_a_paint_does_not_differ_from_itself() -> None:
    assert not any(differ(Paint(colour, name), name) for name, colour in PAINTS.items())


@pytest.mark.parametrize("place", PLACES)
def test_a_small_picture_stands_where_its_words_say(place: str) -> None:
    across, down = ink(placed(lambda size, background: Image.new("RGB", (size, size)), place)(SIZE, WHITE))
    assert across == pytest.approx(0.25 + 0.5 * PLACES[place][0], abs=0.02)
    assert down == pytest.approx(0.25 + 0.5 * PLACES[place][1], abs=0.02)


def test_of_a_pair_the_first_is_left() -> None:
    def drawing(name: str):
        return lambda size, background: Image.new("RGB", (size, size), PAINTS[name])

    both = np.asarray(paired(drawing("red"), drawing("blue"))(SIZE, WHITE))
    assert tuple(both[SIZE // 2, 1]) == PAINTS["red"]
    assert tuple(both[SIZE // 2, -2]) == PAINTS["blue"]
    assert tuple(both[1, 1]) == WHITE


def test_its_split_is_that_of_the_embedded_set(composed: Dataset) -> None:
    base = open_emoji()
    held_out = {base.examples[i].name for i in split(base)[1]}
    assert {composed.examples[i].name for i in split(composed)[1]} == held_out
    made_from = {
        example.name.split(" ")[0] for example in composed.examples if example.tags["kind"] != "original"
    }
    assert not made_from & held_out


def test_no_pair_shows_a_held_out_picture(composed: Dataset) -> None:
    base = open_emoji()
    held_out = {base.examples[i].split_key for i in split(base)[1]}
    pairs = [example.tags for example in composed.examples if example.tags["kind"] == "paired"]
    assert not {f"{tags['other']}, {tags['style']}" for tags in pairs} & held_out


def test_words_say_what_was_done(composed: Dataset) -> None:
    for example in composed.examples:
        if example.tags["kind"] != "original":
            assert example.captions[0] == caption(example.tags)
        for name in ("colour", "other"):
            assert example.tags.get(name, "") in example.captions[0]
        assert len(set(example.captions)) > 1
    assert {"recoloured", "mirrored", "placed", "paired"} < {e.tags["kind"] for e in composed.examples}


def test_a_recoloured_rhinoceros_has_its_colour(composed: Dataset) -> None:
    found = [
        (index, example)
        for index, example in enumerate(composed.examples)
        if example.tags["kind"] == "recoloured" and example.tags["subject"] == "rhinoceros"
    ]
    assert found
    for index, example in found:
        paint = main_paint(np.asarray(composed.picture(index, 64)))
        assert paint is not None
        assert paint.word == example.tags["colour"]


def test_the_suite_is_two_hundred_prompts_half_of_them_never_trained_on(
    composed: Dataset, prompts: tuple[SuitePrompt, ...]
) -> None:
    captions = {text for i in split(composed)[0] for text in composed.examples[i].captions}
    assert len({one.prompt for one in prompts}) == len(prompts) == 200
    assert sum(SEEN.values()) == sum(UNSEEN.values()) == sum(one.seen for one in prompts) == 100
    assert all((one.prompt in captions) == one.seen for one in prompts)


def test_every_word_of_an_unseen_prompt_is_met_in_training(
    composed: Dataset, prompts: tuple[SuitePrompt, ...]
) -> None:
    words = Counter(
        word for i in split(composed)[0] for text in composed.examples[i].captions for word in text.split()
    )
    assert all(words[word] for one in prompts for word in one.prompt.split())


@pytest.mark.parametrize("name", PAINTS)
def test_the_commonest_paint_is_found_among_noise_outline_and_paper(name: str) -> None:
    rng = np.random.default_rng(0)
    pixels = np.full((32, 32, 3), 255, np.uint8)
    pixels[4:28, 4:28] = (20, 20, 20)
    pixels[6:26, 6:26] = (140, 145, 150)
    pixels[8:20, 8:20] = (np.array(PAINTS[name]) + rng.integers(-12, 13, (12, 12, 3))).clip(0, 255)
    assert commonest_paint(pixels) == name


def test_black_and_white_have_no_paint() -> None:
    pixels = np.full((8, 8, 3), 255, np.uint8)
    assert commonest_paint(pixels) is None
    pixels[2:6, 2:6] = (20, 20, 20)
    assert commonest_paint(pixels) is None
