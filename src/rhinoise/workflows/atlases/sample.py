"""Which pictures an atlas shows, which of them the spaces are compared on, and what is known of each."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Int

from rhinoise.data.dataset import Example
from rhinoise.explain.measure.concepts import alone, frequent, holders, leading_words
from rhinoise.explain.measure.survey import CONCEPT, GROUP, STYLE
from rhinoise.explain.pages.atlas import COLOURED
from rhinoise.workflows.events import Event, Said
from rhinoise.workflows.pictures import Pictures, spread

WORDS = ("rhinoceros", "chair")
"""What is compared where captions hold both: the handbook's own example."""
FEWEST = 4
"""Pictures that a word has for itself, to be compared when nobody chose it."""
COMMON = 20
"""Frequent words among which two are looked for."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The pictures of an atlas, by index in the data set, and what is known of each."""

    shown: Int[np.ndarray, "n"]
    compared: Int[np.ndarray, "m"]
    """Places in `shown` of the pictures that all spaces are compared on."""
    captions: tuple[str, ...]
    origins: tuple[frozenset[str], ...]
    """What each was made from."""
    labels: Mapping[str, Sequence[str]]
    """By kind: CONCEPT, and where they are known GROUP and STYLE."""
    coloured: Mapping[str, Sequence[str]]
    pairs: tuple[tuple[str, str], ...]


def choose(
    pictures: Pictures, words: Sequence[str], *, shown: int, compared: int
) -> Generator[Event, None, Chosen]:
    """An even sample of `shown` training pictures, with those of the words, and whole concepts to compare.

    Without `words` they are WORDS, or the two most frequent ones. UnknownNameError: no caption holds a word.
    """
    captions = pictures.first_captions(pictures.train)
    words = tuple(words) or _usual(_subjects(pictures, pictures.train))
    pairs = tuple(combinations(words, 2))
    for pair in pairs:
        alone(captions, *pair)
    of_words = sorted({i for word in words for i in holders(captions, word)})
    most = min(shown, compared)
    concepts = known_of(pictures, pictures.train)[0][CONCEPT]
    together = _whole(concepts, spread(np.array(of_words, dtype=np.int64), most), most)
    rest = np.setdiff1d(np.arange(len(captions)), together)
    taken = np.sort(np.concatenate([together, spread(rest, shown - len(together))]))
    if len(taken) < len(captions):
        yield Said(f"showing {len(taken)} of {len(captions)} pictures, taken evenly")
    rows = pictures.train[taken]
    labels, origins = known_of(pictures, rows)
    return Chosen(
        shown=rows,
        compared=np.flatnonzero(np.isin(taken, together)),
        captions=tuple(captions[i] for i in taken),
        origins=origins,
        labels=labels,
        coloured={kind: labels[kind] for kind in labels if kind != CONCEPT}
        | {"caption word": leading_words(_subjects(pictures, rows), COLOURED)},
        pairs=pairs,
    )


def known_of(
    pictures: Pictures, rows: Int[np.ndarray, "k"]
) -> tuple[dict[str, Sequence[str]], tuple[frozenset[str], ...]]:
    """Labels of pictures by kind, and what each was made from.

    Where no picture has a subject, its concept is its most frequent caption word.
    """
    examples = [pictures.prepared.dataset.examples[i] for i in rows]
    subjects = _subjects(pictures, rows)
    tagged = all("subject" in example.tags for example in examples)
    labels: dict[str, Sequence[str]] = {CONCEPT: subjects if tagged else leading_words(subjects)}
    for kind in (GROUP, STYLE):
        if all(kind in example.tags for example in examples):
            labels[kind] = [example.tags[kind] for example in examples]
    return labels, tuple(map(_origins, examples))


def _subjects(pictures: Pictures, rows: Int[np.ndarray, "k"]) -> list[str]:
    """What each picture shows, without its style, where that is known; else its first caption."""
    examples = [pictures.prepared.dataset.examples[i] for i in rows]
    return [example.tags.get("subject", example.captions[0]) for example in examples]


def _usual(subjects: Sequence[str]) -> tuple[str, ...]:
    """The handbook's two words where subjects hold them, else the most frequent that are apart; or none.

    Of subjects, not of captions: the word of a style would be on every second picture and say nothing.
    """
    counts = dict(frequent(subjects))
    if all(counts.get(word, 0) >= FEWEST for word in WORDS):
        return WORDS
    common = [word for word, count in counts.items() if count >= FEWEST][:COMMON]
    of = {word: set(holders(subjects, word)) for word in common}
    for first, second in combinations(common, 2):
        both = len(of[first] & of[second])
        if min(len(of[first]), len(of[second])) - both >= FEWEST:
            return first, second
    return ()


def _whole(concepts: Sequence[str], first: Int[np.ndarray, "k"], most: int) -> Int[np.ndarray, "m"]:
    """Places of `first` and of whole concepts, taken evenly, `most` together: a concept has company so."""
    if len(concepts) <= most:
        return np.arange(len(concepts))
    of: dict[str, list[int]] = {}
    for i, concept in enumerate(concepts):
        of.setdefault(concept, []).append(i)
    names = list(of)
    number = max(1, (most - len(first)) * len(names) // len(concepts))
    taken = [np.array(of[names[i]]) for i in spread(np.arange(len(names)), number)]
    return spread(np.union1d(np.concatenate(taken), first).astype(np.int64), most)


def _origins(example: Example) -> frozenset[str]:
    """What a picture was made from: itself, or the drawings that it was composed of."""
    own = {example.split_key or example.digest}
    if "other" in example.tags:
        own.add(f"{example.tags['other']}, {example.tags['style']}")
    return frozenset(own)
