"""What is wrong with a data set, in numbers and in sentences: the most harmful first.

`examine` gathers what the checks look at, `report` turns it into one record. Nothing is read here: the
readers have told what they found and what they skipped, and the pictures are the prepared ones, those that a
training would see.
"""

import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rhinoise.core.images import Fit
from rhinoise.data.dataset import MIN_TO_HOLD_OUT, Dataset, Skipped, split
from rhinoise.data.duplicates import Looks, near_duplicates
from rhinoise.data.pixels import Prepared

LISTED = 50
"""Names that are listed of each kind; beyond them there is a count."""
FREQUENT = 20
"""Words that are told."""
LONG = 2.0
"""Sides of a picture in this proportion leave half of the square empty, or cut half of the picture off."""
FLAT = 4
"""Of 255: a picture in which no colour spans more shows nothing."""

SIDES = (0, 32, 64, 128, 256, 512, 1024, 2048, 4096)
"""Pixels of the shorter side: where the bars of the histogram begin."""
ASPECTS = {
    "under 1:2": 0.5,
    "1:2 to 2:3": 2 / 3,
    "2:3 to 4:5": 4 / 5,
    "about square": 5 / 4,
    "5:4 to 3:2": 3 / 2,
    "3:2 to 2:1": 2.0,
    "over 2:1": float("inf"),
}
"""Width to height, from tall to wide => below which it is that."""
WORDS = (1, 2, 3, 4, 5, 6, 8, 11, 16, 26, 51)
"""Words of a caption: where the bars begin."""

_DULL = re.compile(r"an?|the|of|in|on|at|with|and|to|is|are|it|its|this|that|by|for|from|as")
"""Words that say nothing of a picture."""

SKIPS = {
    "caption without a picture": r"no such file|without a picture",
    "without a caption": r"caption|holds no words",
    "cannot be opened": r"",
}
"""Kind of what is skipped => what its reason says; the first that fits."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """A histogram: what each bar stands for, and how many it holds; without empty bars at its ends."""

    labels: tuple[str, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Files:
    """What the files are like. Drawn pictures, such as the embedded sets, have none."""

    formats: Mapping[str, int]
    modes: Mapping[str, int]
    """Pillow's names."""
    transparent: int
    """Pictures that may be seen through."""
    smallest: tuple[int, int] | None
    median: tuple[int, int] | None
    largest: tuple[int, int] | None
    """Width and height of the pictures whose shorter side is so."""
    sides: Counts
    """Pixels of the shorter side."""
    aspects: Counts
    """Width to height."""


@dataclass(frozen=True, kw_only=True)
class Captions:
    """What is said of the pictures."""

    total: int
    distinct: int
    several: int
    """Pictures with more than one."""
    one_word: int
    words: Counts
    """Words of a caption."""
    median_words: float
    frequent: tuple[tuple[str, int], ...]
    """The most frequent words that say something, and in how many captions each is."""
    repeated: tuple[tuple[str, int], ...]
    """The captions that several pictures have, and how many."""
    context: int
    """Tokens that a model of the default recipe reads, start and end included."""
    longest: int
    """Tokens of the longest caption."""
    too_long: int
    """Captions that are cut."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """Something to mend: how many pictures it concerns, what is wrong, and what to do."""

    check: str
    pictures: int
    sentence: str
    remedy: str
    names: tuple[str, ...]
    """The first of the pictures."""


@dataclass(frozen=True, kw_only=True)
class DataReport:
    """A data set at a glance."""

    name: str
    size: int
    """Pixels a side of the training that it was looked at for."""
    pictures: int
    """That can be used."""
    training: int
    held_out: int
    skipped: int
    skips: tuple[tuple[str, int], ...]
    """Why pictures are skipped, the most frequent reason first, and how many each."""
    listed: tuple[Skipped, ...]
    """The first that are skipped."""
    files: Files
    captions: Captions
    copies: int
    """Pictures that are the very bytes of one before them."""
    alike: int
    """Pictures that look like another one; copies, too."""
    families: int
    """Groups that they form."""
    groups: tuple[tuple[str, ...], ...]
    """The names in the first of them."""
    leaks: tuple[tuple[str, str], ...]
    """Names of a held-out picture and of one in training that looks like it; the first."""
    known_captions: int
    """Held-out pictures all of whose captions are also said of pictures in training."""
    mend: tuple[Advice, ...]
    """The most harmful first; empty: nothing."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the checks look at. Indices are into `dataset.examples`."""

    dataset: Dataset
    size: int
    fit: Fit
    train: Sequence[int]
    held_out: Sequence[int]
    shapes: Mapping[int, tuple[int, int]]
    """Width and height of the pictures that are files, upright."""
    groups: Sequence[tuple[int, ...]]
    leaks: Sequence[tuple[int, int]]
    flat: Sequence[int]
    tokens: Mapping[str, int]
    """Caption => its length in tokens."""
    context: int

    def names(self, indices: Iterable[int]) -> list[str]:
        """Of these pictures."""
        return [self.dataset.examples[index].name for index in indices]

    def all_if(self, true: bool) -> list[str]:
        """The names of all pictures, or none."""
        return self.names(range(len(self.dataset))) if true else []

    def where(self, true: Callable[[int], bool]) -> list[str]:
        """The names of the pictures of which it is true."""
        return self.names(index for index in range(len(self.dataset)) if true(index))


def examine(
    prepared: Prepared, looks: Looks, tokens: Mapping[str, int], context: int, held_out: float = 0.05
) -> Evidence:
    """Split as a training would, and find what looks alike.

    Args:
        prepared: the pictures as a training sees them.
        looks: what data.duplicates saw in them.
        tokens: every caption's length in tokens.
        context: the tokens that a model reads.
        held_out: the fraction of the pictures that a training keeps back.
    """
    dataset = prepared.dataset
    train, kept = split(dataset, held_out)
    groups, back = near_duplicates(looks), set(kept)
    return Evidence(
        dataset=dataset,
        size=prepared.preparation.size,
        fit=prepared.preparation.fit,
        train=train,
        held_out=kept,
        shapes={
            index: (example.header.width, example.header.height)
            for index, example in enumerate(dataset.examples)
            if example.header is not None
        },
        groups=groups,
        leaks=[
            (index, next(one for one in group if one not in back))
            for group in groups
            if not back.issuperset(group)
            for index in group
            if index in back
        ],
        flat=np.flatnonzero(np.ptp(looks.places, axis=(2, 3)).max(1) <= FLAT).tolist(),
        tokens=tokens,
        context=context,
    )


# --- checks


@dataclass(frozen=True, kw_only=True)
class Check:
    """A fault: the names of those that have it, the sentence that tells it, and what to do."""

    finds: Callable[[Evidence], Sequence[str]]
    sentence: str
    remedy: str
    unit: str = "picture"


def _skipped(kind: str) -> Callable[[Evidence], list[str]]:
    return lambda seen: [skip.name for skip in seen.dataset.skipped if _kind(skip) == kind]


def _kind(skip: Skipped) -> str:
    return next(kind for kind, says in SKIPS.items() if re.search(says, skip.reason))


def _said(seen: Evidence) -> list[str]:
    return [caption for example in seen.dataset.examples for caption in example.captions]


def _enlarged(seen: Evidence) -> list[str]:
    """A padded picture is enlarged when its longer side is too short, a cropped one by its shorter side."""
    side = max if seen.fit == "pad" else min
    return seen.names(index for index, shape in seen.shapes.items() if side(shape) < seen.size)


def _known(seen: Evidence) -> list[str]:
    examples = seen.dataset.examples
    learnt = {caption for index in seen.train for caption in examples[index].captions}
    return seen.names(index for index in seen.held_out if learnt.issuperset(examples[index].captions))


CHECKS: dict[str, Check] = {
    "too few": Check(
        finds=lambda seen: seen.all_if(len(seen.dataset) < MIN_TO_HOLD_OUT),
        sentence="{found} and no more: a model learns so few by heart, and none is held out to notice",
        remedy=f"add pictures, to {MIN_TO_HOLD_OUT} at the least, or start from a model: --from bundled",
    ),
    "one caption": Check(
        finds=lambda seen: seen.all_if(len(seen.dataset) > 1 and len(set(_said(seen))) == 1),
        sentence="one caption for all of {found}: words will mean nothing to the model",
        remedy="say of each picture what sets it apart",
    ),
    "cannot be opened": Check(
        finds=_skipped("cannot be opened"),
        sentence="{found} skipped as damaged, or as no picture that can be opened",
        remedy="save what matters again from its original; the list of skipped files tells each reason",
        unit="file",
    ),
    "without a caption": Check(
        finds=_skipped("without a caption"),
        sentence="{found} skipped for want of a usable caption",
        remedy="add a line to metadata.csv, or a cat.txt beside each cat.png",
    ),
    "held-out leak": Check(
        finds=lambda seen: seen.names(held for held, _ in seen.leaks),
        sentence="{found} held out while a near-copy is trained on: scores will flatter",
        remedy="keep one of each pair",
    ),
    "look alike": Check(
        finds=lambda seen: seen.names(index for group in seen.groups for index in group[1:]),
        sentence="{found} too many, near-copies of others: those are learnt oftener, and sooner by heart",
        remedy="keep the best of each group, unless they are meant to be learnt oftener",
    ),
    "flat": Check(
        finds=lambda seen: seen.names(seen.flat),
        sentence="{found} of a single colour from edge to edge",
        remedy="remove them, unless that colour is what their captions say",
    ),
    "too small": Check(
        finds=_enlarged,
        sentence="{found} smaller than {size} x {size} pixels, and enlarged: the model learns the blur",
        remedy="find larger originals, or train with a smaller --size",
    ),
    "too long": Check(
        finds=lambda seen: seen.where(
            lambda index: any(
                seen.tokens[caption] > seen.context for caption in seen.dataset.examples[index].captions
            )
        ),
        sentence="{found} with a caption of more than {context} tokens: what comes after them is not read",
        remedy="say the important words first, or read on: --set text.context={longest}",
    ),
    "one word": Check(
        finds=lambda seen: seen.where(
            lambda index: all(len(said.split()) == 1 for said in seen.dataset.examples[index].captions)
        ),
        sentence="{found} with a single word for a caption: nothing can be asked of the model but that word",
        remedy="add what sets them apart: colour, number, place, style",
    ),
    "long and narrow": Check(
        finds=lambda seen: seen.names(
            index for index, shape in seen.shapes.items() if max(shape) > LONG * min(shape)
        ),
        sentence="{found} more than twice as long as wide: half of the square or more is {lost}",
        remedy="cut them to what matters, by hand",
    ),
    "caption without a picture": Check(
        finds=_skipped("caption without a picture"),
        sentence="{found} for which there is no picture",
        remedy="look for the picture, or correct its name",
        unit="caption",
    ),
    "known captions": Check(
        finds=_known,
        sentence="{found} held out whose captions are all trained on: new words are not put to the test",
        remedy="nothing, where many pictures share a caption; else, tell them apart by their captions",
    ),
}
"""What may be wrong, the most harmful first."""


def mend(seen: Evidence) -> tuple[Advice, ...]:
    """What every check that finds something says."""
    words = {
        "size": seen.size,
        "context": seen.context,
        "longest": max(seen.tokens.values(), default=0),
        "lost": "background" if seen.fit == "pad" else "what is cut off",
    }
    told = []
    for name, check in CHECKS.items():
        found = check.finds(seen)
        if found:
            count = f"{len(found):,} {check.unit}{'s' if len(found) > 1 else ''}"
            told.append(
                Advice(
                    check=name,
                    pictures=len(found),
                    sentence=check.sentence.format(found=count, **words),
                    remedy=check.remedy.format(**words),
                    names=tuple(found[:LISTED]),
                )
            )
    return tuple(told)


# --- the record


def report(seen: Evidence) -> DataReport:
    """All of it as one record."""
    dataset = seen.dataset
    reasons = Counter(skip.reason.split(" (")[0] for skip in dataset.skipped)
    return DataReport(
        name=dataset.name,
        size=seen.size,
        pictures=len(dataset),
        training=len(seen.train),
        held_out=len(seen.held_out),
        skipped=len(dataset.skipped),
        skips=tuple(reasons.most_common()),
        listed=dataset.skipped[:LISTED],
        files=_files(seen),
        captions=_captions(seen),
        copies=len(dataset) - len({example.digest for example in dataset.examples}),
        alike=sum(map(len, seen.groups)),
        families=len(seen.groups),
        groups=tuple(tuple(seen.names(group)) for group in seen.groups[:LISTED]),
        leaks=tuple((seen.names([held])[0], seen.names([learnt])[0]) for held, learnt in seen.leaks[:LISTED]),
        known_captions=len(_known(seen)),
        mend=mend(seen),
    )


def _files(seen: Evidence) -> Files:
    headers = [example.header for example in seen.dataset.examples if example.header is not None]
    shapes = sorted(seen.shapes.values(), key=lambda shape: (min(shape), max(shape)))
    kinds = [next(name for name, below in ASPECTS.items() if w / h < below) for w, h in shapes]
    return Files(
        formats=dict(Counter(header.format for header in headers).most_common()),
        modes=dict(Counter(header.mode for header in headers).most_common()),
        transparent=sum(header.transparent for header in headers),
        smallest=shapes[0] if shapes else None,
        median=shapes[len(shapes) // 2] if shapes else None,
        largest=shapes[-1] if shapes else None,
        sides=_binned([min(shape) for shape in shapes], SIDES),
        aspects=_trimmed(list(ASPECTS), [kinds.count(name) for name in ASPECTS]),
    )


def _captions(seen: Evidence) -> Captions:
    said = _said(seen)
    lengths = [len(caption.split()) for caption in said]
    words = Counter(word for caption in said for word in set(re.findall(r"[^\W_]+", caption.lower())))
    alike = Counter(caption for example in seen.dataset.examples for caption in set(example.captions))
    return Captions(
        total=len(said),
        distinct=len(set(said)),
        several=sum(len(example.captions) > 1 for example in seen.dataset.examples),
        one_word=lengths.count(1),
        words=_binned(lengths, WORDS),
        median_words=float(statistics.median(lengths)),
        frequent=tuple((word, n) for word, n in words.most_common() if not _DULL.fullmatch(word))[:FREQUENT],
        repeated=tuple((caption, n) for caption, n in alike.most_common(FREQUENT) if n > 1),
        context=seen.context,
        longest=max(seen.tokens[caption] for caption in said),
        too_long=sum(seen.tokens[caption] > seen.context for caption in said),
    )


def _binned(values: Sequence[int], starts: Sequence[int]) -> Counts:
    """How many values there are from each start to the next; the last bar is open."""
    places = Counter(np.searchsorted(starts, values, side="right").tolist())
    ends = [*(start - 1 for start in starts[1:]), None]
    return _trimmed(
        [_range(low, high) for low, high in zip(starts, ends, strict=True)],
        [places[place + 1] for place in range(len(starts))],
    )


def _trimmed(labels: Sequence[str], counts: Sequence[int]) -> Counts:
    held = [place for place, count in enumerate(counts) if count]
    inner = slice(held[0], held[-1] + 1) if held else slice(0)
    return Counts(labels=tuple(labels[inner]), counts=tuple(counts[inner]))


def _range(low: int, high: int | None) -> str:
    if high is None:
        return f"{low} +"
    return str(low) if low == high else f"{low}–{high}"
