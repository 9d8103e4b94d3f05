"""The atlas as a page: every picture a point, with its thumbnail, its decoded latent and its neighbours."""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from einops import rearrange
from jaxtyping import Float, Int, UInt8
from PIL import Image

from rhinoise.explain.pages.page import data_uri, render

THUMB = 64
"""Pixels a side of a picture in the page."""
ACROSS = 32
"""Thumbnails along each side of a sheet: 2048 pixels, which every telephone shows."""
COLOURED = 7
"""Labels that get a colour of their own, the most frequent ones; more are not told apart."""

_WORKERS = 2
INSIDE = 0.98
"""The part of a cloud that is in view at first: a few far pictures must not make all others a dot."""

Thumbs = UInt8[np.ndarray, "n s s 3"]


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """Pictures as points of one space."""

    name: str
    about: str
    """What the space is, and what its axes keep of it, in a sentence."""
    rows: Int[np.ndarray, "m"]
    """Which of the atlas's pictures are in it."""
    points: Float[np.ndarray, "m 3"]
    near: Int[np.ndarray, "m k"]
    """Each one's neighbours in the whole space, nearest first, as places in `rows`."""


@dataclass(frozen=True, kw_only=True)
class Walks:
    """Ways between some of the pictures, drawn in advance."""

    ends: Int[np.ndarray, "e"]
    """Pictures that walks begin and end at."""
    nearest: Int[np.ndarray, "n"]
    """For each picture of the atlas, the place in `ends` of the one nearest to it."""
    pairs: Sequence[tuple[int, int]]
    """Places in `ends`, from and to."""
    frames: UInt8[np.ndarray, "w f s s 3"]


def sheets(thumbs: Thumbs) -> list[str]:
    """Thumbnails as WebP pictures of at most ACROSS x ACROSS of them, for `src`."""
    parts = [thumbs[start : start + ACROSS**2] for start in range(0, len(thumbs), ACROSS**2)]
    with ThreadPoolExecutor(_WORKERS) as pool:  # encoding lets go of the interpreter
        return list(pool.map(_sheet, parts))


def _sheet(thumbs: Thumbs) -> str:
    rows = -(-len(thumbs) // ACROSS)
    full = np.full((rows * ACROSS, *thumbs.shape[1:]), 255, np.uint8)
    full[: len(thumbs)] = thumbs
    return data_uri(Image.fromarray(rearrange(full, "(r c) h w k -> (r h) (c w) k", c=ACROSS)))


def labelled(values: Sequence[str]) -> dict[str, Any]:
    """Labels as a short list of names and a number for each picture; the rarer ones together, last."""
    common = [name for name, _ in Counter(value for value in values if value).most_common()]
    names = common if len(common) <= COLOURED else common[:COLOURED]
    number = {name: i for i, name in enumerate(names)}
    return {
        "names": [*names, "others"],
        "counts": [*(sum(value == name for value in values) for name in names), 0],
        "codes": packed(np.array([number.get(value, len(names)) for value in values], np.uint8)),
    }


def packed(numbers: np.ndarray) -> str:
    """An array as base64, for a typed array of the page."""
    return base64.b64encode(np.ascontiguousarray(numbers).tobytes()).decode()


def atlas_page(
    *,
    model: str,
    source: str,
    captions: Sequence[Sequence[str]],
    labels: Mapping[str, Sequence[str]],
    originals: Thumbs,
    decoded: Thumbs,
    clouds: Sequence[Cloud],
    walks: Walks,
    landed: Sequence[Mapping[str, Any]],
    values: Mapping[str, Any],
) -> str:
    """One file of HTML. `captions`, `labels`, `originals` and `decoded` have an entry per picture.

    Args:
        model, source: what it is an atlas of, by name.
        captions: all captions of each picture, the one to show first.
        labels: what points are coloured by => a label per picture.
        landed: pictures that lie among the points of the first cloud: each with its `picture` (a `src`), its
            `caption`, its `point` in the cloud's units, and the pictures that are `near`, by number.
        values: what else the template shows: sentences, figure, tables.
    """
    frames = walks.frames.reshape(-1, *walks.frames.shape[2:])
    data = {
        "thumb": THUMB,
        "across": ACROSS,
        "captions": [own[0] for own in captions],
        "words": [" ".join(dict.fromkeys(" ".join(own).lower().split())) for own in captions],
        "kind": next(iter(labels)),
        "labels": {kind: labelled(values) for kind, values in labels.items()},
        "clouds": [_cloud(cloud) for cloud in clouds],
        "originals": sheets(originals),
        "decoded": sheets(decoded),
        "walks": {
            "ends": walks.ends.tolist(),
            "nearest": packed(walks.nearest.astype(np.uint8)),
            "pairs": [list(pair) for pair in walks.pairs],
            "steps": walks.frames.shape[1],
            "frames": sheets(frames),
        },
        "landed": list(landed),
    }
    return render("atlas.html.j2", model=model, source=source, data=data, **values)


def _cloud(cloud: Cloud) -> dict[str, Any]:
    """Nearly all points are within 1 of the centre: the page knows no units but these."""
    centre = np.median(cloud.points, axis=0)
    radius = np.quantile(np.linalg.norm(cloud.points - centre, axis=1), INSIDE)
    return {
        "name": cloud.name,
        "about": cloud.about,
        "centre": centre.tolist(),
        "radius": float(radius),
        "rows": packed(cloud.rows.astype(np.uint16)),
        "points": packed(((cloud.points - centre) / radius).astype(np.float32)),
        "near": packed(cloud.near.astype(np.uint16)),
        "each": cloud.near.shape[1],
    }
