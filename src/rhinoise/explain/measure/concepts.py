"""Whether pictures of one thing lie nearer to each other than to others: the chapter's sentence, as numbers.

Distances are told in units of the mean distance of two pictures: 1 is no nearer than any two.
"""

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

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
FUNCTION_WORDS = frozenset("a an and are as at by for from in is it its of on or the to with".split())
"""Words that say nothing of what is seen."""


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
    drawings: tuple[int, int]
    """How many of these are not made from each other."""
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


def words_of(caption: str) -> list[str]:
    """A caption's words, in small letters, each once."""
    return list(dict.fromkeys(re.findall(r"\w+", caption.lower())))


def holders(captions: Sequence[str], word: str) -> list[int]:
    """Which captions hold the word; UnknownNameError, with the nearest one, when none does."""
    found = [index for index, caption in enumerate(captions) if word.lower() in words_of(caption)]
    if not found:
        raise UnknownNameError("caption word", word, [w for w, _ in frequent(captions)[:400]])
    return found


def frequent(captions: Sequence[str]) -> list[tuple[str, int]]:
    """The words that tell pictures apart, and in how many captions each is, most frequent first.

    Not function words, nor words of more than half of all captions, nor such as come once.
    """
    count = Counter(word for caption in captions for word in words_of(caption))
    most = max(2, len(captions) // 2)
    kept = {w: n for w, n in count.items() if 1 < n <= most and w not in FUNCTION_WORDS and not w.isdigit()}
    return sorted(kept.items(), key=lambda item: (-item[1], item[0]))


def leading_words(captions: Sequence[str], count: int | None = None) -> list[str]:
    """One word for each caption: its most frequent one of `frequent`, or of the first `count`; else ""."""
    ranks = {word: rank for rank, (word, _) in enumerate(frequent(captions)[:count])}
    return [
        min((w for w in words_of(caption) if w in ranks), key=ranks.__getitem__, default="")
        for caption in captions
    ]


def compare_words(
    apart: Float[Tensor, "n n"],
    captions: Sequence[str],
    origins: Sequence[Hashable],
    first: str,
    second: str,
) -> Pair:
    """How far the pictures of two words lie apart; those whose captions hold both are left out.

    Pictures of the same `origins` are not compared with each other: a mirrored picture is near its original.
    """
    every = [holders(captions, word) for word in (first, second)]
    both = set.intersection(*map(set, every))
    a, b = (torch.tensor([i for i in own if i not in both], dtype=torch.int64) for own in every)
    if not (len(a) and len(b)):
        raise ConfigError(f"no picture is of '{first}' or '{second}' alone: compare other words")
    code, unit = codes(origins), _mean_distance(apart)
    weights = [_resampled(len(own), word) for own, word in ((a, first), (b, second))]

    def mean(left: int, right: int) -> Float[Tensor, "d"]:
        rows, columns = (a, b)[left], (a, b)[right]
        far = (code[rows][:, None] != code[columns][None, :]).float()
        here = apart[rows][:, columns] * far / unit
        return _quadratic(weights[left], here, weights[right]) / _quadratic(weights[left], far, weights[right])

    within, within_second, between = mean(0, 0), mean(1, 1), mean(0, 1)
    return Pair(
        first=first,
        second=second,
        pictures=(len(a), len(b)),
        drawings=(len(code[a].unique()), len(code[b].unique())),
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
    """The first value, and the interval of the others; samples of one drawing alone have none to give."""
    if not values[0].isfinite():
        return None
    others = values[1:][values[1:].isfinite()]
    low, high = others.quantile(torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2])).tolist()
    return Interval(value=float(values[0]), low=low, high=high)


def _surely(interval: Interval | None) -> Interval:
    assert interval is not None
    return interval
