"""Whether pictures of one thing lie nearer to each other than to others: the chapter's sentence, as numbers.

Distances are told in units of the mean distance of two pictures: 1 is no nearer than any two.
"""

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rhinoise.core.errors import ConfigError, UnknownNameError
from rhinoise.core.random import generator
from rhinoise.explain.measure.atlas import codes

DRAWS = 1000
"""Bootstrap samples (Efron 1979)."""
LEVEL = 0.95
"""Of an interval."""
FUNCTION_WORDS = frozenset("a an and as at by for from in is it its of on or the to with".split())  # noqa: SIM905
"""Words that say nothing of what is seen."""
SOME = 6
"""Words of a set that are named where one was asked for that it does not have."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A number and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two words: how far their pictures lie apart, among each other and from each other's."""

    first: str
    second: str
    pictures: tuple[int, int]
    pairs: tuple[int, int, int]
    """That were compared: within the first, within the second, between."""
    within_first: Interval | None
    """Between pictures of the first word that are not made from the same one; None where all are."""
    within_second: Interval | None
    between: Interval
    nearer: Interval | None
    """`within_first` over `between`: below 1 the first word's pictures lie together."""


@dataclass(frozen=True, kw_only=True)
class Concepts:
    """All concepts together."""

    concepts: int
    """That have two pictures at least which are not made from the same one."""
    within: Interval
    between: Interval
    nearer: Interval
    """The mean, over concepts, of within over between."""
    nearer_share: Interval
    """The part of the concepts whose own pictures are nearer to each other than to other concepts'."""


def distinct_words(caption: str) -> list[str]:
    """A caption's words, in small letters, each once."""
    return list(dict.fromkeys(re.findall(r"\w+", caption.lower())))


def holders(captions: Sequence[str], word: str) -> list[int]:
    """Which captions hold the word; UnknownNameError, with the nearest one, when none does."""
    found = [index for index, caption in enumerate(captions) if word.lower() in distinct_words(caption)]
    if not found:
        known = [other for other, _ in frequent(captions)]
        near = get_close_matches(word.lower(), known, n=3, cutoff=0.6)
        raise UnknownNameError("caption word", word, dict.fromkeys([*near, *known[:SOME]]))
    return found


def alone(captions: Sequence[str], first: str, second: str) -> tuple[list[int], list[int]]:
    """Which captions hold one of two words and not the other; ConfigError where there are none."""
    a, b = (set(holders(captions, word)) for word in (first, second))
    for own, other, words in ((a, b, (first, second)), (b, a, (second, first))):
        if not own - other:
            raise ConfigError(
                f"every caption that holds '{words[0]}' holds '{words[1]}' too: compare other words"
            )
    return sorted(a - b), sorted(b - a)


def frequent(captions: Sequence[str]) -> list[tuple[str, int]]:
    """The words that tell pictures apart, and in how many captions each is, most frequent first.

    Not function words, nor words of more than half of all captions, nor such as come once.
    """
    count = Counter(word for caption in captions for word in distinct_words(caption))
    most = max(2, len(captions) // 2)
    kept = {w: n for w, n in count.items() if 1 < n <= most and w not in FUNCTION_WORDS and not w.isdigit()}
    return sorted(kept.items(), key=lambda item: (-item[1], item[0]))


def leading_words(captions: Sequence[str], count: int | None = None) -> list[str]:
    """One word for each caption: its most frequent one of `frequent`, or of the first `count`; else ""."""
    ranks = {word: rank for rank, (word, _) in enumerate(frequent(captions)[:count])}
    return [
        min((w for w in distinct_words(caption) if w in ranks), key=ranks.__getitem__, default="")
        for caption in captions
    ]


def compare_words(
    apart: Float[Tensor, "n n"],
    captions: Sequence[str],
    allowed: Bool[Tensor, "n n"],
    first: str,
    second: str,
) -> Pair:
    """How far the pictures of two words lie apart; those whose captions hold both are left out.

    `allowed` are the pairs that are not made from the same picture (`atlas.differ`): a mirrored picture is
    near its original. The intervals come from resampling pictures.
    """
    a, b = alone(captions, first, second)
    unit = _mean_distance(apart)
    weights = {first: _resampled(len(a), first), second: _resampled(len(b), second)}

    def mean(left: str, right: str) -> tuple[Float[Tensor, "d"], int]:
        rows, columns = ({first: a, second: b}[word] for word in (left, right))
        far = allowed[rows][:, columns].float()
        sums = _quadratic(weights[left], apart[rows][:, columns] * far / unit, weights[right])
        return sums / _quadratic(weights[left], far, weights[right]), int(far.sum())

    (within, pairs), (within_second, pairs_second) = mean(first, first), mean(second, second)
    between, across = mean(first, second)
    return Pair(
        first=first,
        second=second,
        pictures=(len(a), len(b)),
        pairs=(pairs // 2, pairs_second // 2, across),
        within_first=_interval(within),
        within_second=_interval(within_second),
        between=_surely(_interval(between)),
        nearer=_interval(within / between),
    )


def compare_concepts(
    apart: Float[Tensor, "n n"], concepts: Sequence[Hashable], allowed: Bool[Tensor, "n n"]
) -> Concepts | None:
    """The same for every concept against all others; None where no concept has two pictures to compare.

    `allowed` are the pairs that are not made from the same picture (`atlas.differ`). The intervals come from
    resampling concepts.
    """
    code, unit = codes(concepts), _mean_distance(apart)
    same = code[:, None] == code[None, :]

    def mean(pairs: Bool[Tensor, "n n"]) -> Float[Tensor, "k"]:
        """Over each concept's pairs of this kind."""
        sums = torch.zeros(int(code.max()) + 1).index_add_(0, code, (apart * pairs).sum(1))
        return sums / torch.zeros(len(sums)).index_add_(0, code, pairs.sum(1).float()) / unit

    within, between = mean(same & allowed), mean(~same & allowed)
    able = within.isfinite() & between.isfinite()
    if not able.any():
        return None
    within, between = within[able], between[able]
    weights = _resampled(len(within), "concepts")

    def told(values: Float[Tensor, "k"]) -> Interval:
        return _surely(_interval(weights @ values / len(values)))

    return Concepts(
        concepts=len(within),
        within=told(within),
        between=told(between),
        nearer=told(within / between),
        nearer_share=told((within < between).float()),
    )


def _mean_distance(apart: Float[Tensor, "n n"]) -> float:
    """Of two different pictures."""
    n = len(apart)
    return float(apart.sum(dtype=torch.float64)) / (n * (n - 1))


def _resampled(count: int, key: str) -> Float[Tensor, "d k"]:
    """How often each of `count` things is in each sample; in the first, once."""
    drawn = torch.randint(count, (DRAWS, count), generator=generator("bootstrap", key, count))
    weights = torch.zeros(DRAWS, count).scatter_add_(1, drawn, torch.ones(DRAWS, count))
    return torch.cat([torch.ones(1, count), weights])


def _quadratic(
    left: Float[Tensor, "d a"], middle: Float[Tensor, "a b"], right: Float[Tensor, "d b"]
) -> Float[Tensor, "d"]:
    return ((left @ middle) * right).sum(1)


def _interval(values: Float[Tensor, "d"]) -> Interval | None:
    """The first value, and the interval of the others; None where there is nothing to compare."""
    if not values[0].isfinite():
        return None
    others = values[1:][values[1:].isfinite()]
    low, high = others.quantile(torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2])).tolist()
    return Interval(value=float(values[0]), low=low, high=high)


def _surely(interval: Interval | None) -> Interval:
    assert interval is not None
    return interval
