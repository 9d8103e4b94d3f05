"""Everything that is measured of one space of pictures, in one record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from rhinoise.explain.measure.atlas import Purity, codes, purity, silhouette
from rhinoise.explain.measure.concepts import Concepts, Pair, compare_concepts, compare_words

CONCEPT, GROUP, STYLE = "concept", "group", "style"
"""What pictures are labelled by."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """How a space of pictures is arranged."""

    space: str
    pictures: int
    purity: dict[str, Purity | None]
    """By kind of label."""
    silhouette: dict[str, float | None]
    """Likewise."""
    concepts: Concepts | None
    pairs: tuple[Pair, ...]


def survey(
    space: str,
    apart: Float[Tensor, "n n"],
    allowed: Bool[Tensor, "n n"],
    labels: Mapping[str, Sequence[str]],
    captions: Sequence[str],
    pairs: Sequence[tuple[str, str]],
) -> Survey:
    """Measure a space from its distances; `labels` are by kind, CONCEPT among them, one per picture.

    Where pictures have styles, concepts are compared across styles alone: two drawings of a thing are of two
    styles, so that a space that sorts by style would seem to know nothing of things.
    """
    across = allowed
    if STYLE in labels:
        style = codes(labels[STYLE])
        across = allowed & (style[:, None] != style[None, :])
    return Survey(
        space=space,
        pictures=len(apart),
        purity={
            kind: purity(apart, own, across if kind == CONCEPT else allowed) for kind, own in labels.items()
        },
        silhouette={kind: silhouette(apart, own) for kind, own in labels.items()},
        concepts=compare_concepts(apart, labels[CONCEPT], across),
        pairs=tuple(compare_words(apart, captions, across, *words) for words in pairs),
    )


def by_concept(found: Survey) -> float:
    """How well a space knows concepts: the purity of neighbours, 0 where that cannot be told."""
    pure = found.purity[CONCEPT]
    return pure.value if pure else 0.0
