"""What an atlas says in words: which space knows what, in plain sentences and a table."""

from collections.abc import Sequence
from typing import Any

from rhinoise.explain.measure.atlas import Purity
from rhinoise.explain.measure.concepts import Interval
from rhinoise.explain.measure.survey import CONCEPT, GROUP, STYLE, Survey

SURE = 2.0
"""Standard errors that a difference is told from."""


def sentences(surveys: Sequence[Survey]) -> list[str]:
    """What to see in pixels, latents and the denoiser's clearest depth, in that order."""
    pixels, latents, features = surveys
    said = [" ".join([_meaning(latents, features), *_as_good(pixels, features)])]
    own, deep = latents.purity.get(STYLE), features.purity.get(STYLE)
    if own is not None and deep is not None:
        said.append(
            "Style is what both see first: the nearest picture is in the same style for "
            f"{_percent(own)} in the latents and {_percent(deep)} in the features, where "
            f"{100 * own.chance:.0f} % would be chance. So concepts are compared across styles alone."
        )
    for i, pair in enumerate(latents.pairs):
        deep_pair = features.pairs[i]
        if pair.within_first is None or deep_pair.within_first is None:
            said.append(
                f"Of “{pair.first}” there are no two pictures that were not made from the same one: how "
                "near they lie to each other says nothing."
            )
            continue
        said.append(
            f"Two pictures of “{pair.first}” lie {_number(pair.within_first)} apart in the latents, one "
            f"of “{pair.first}” and one of “{pair.second}” {_number(pair.between)}; in the features "
            f"{_number(deep_pair.within_first)} and {_number(deep_pair.between)}. "
            + _verdict(deep_pair.nearer)
        )
    return said


def _meaning(latents: Survey, features: Survey) -> str:
    """Which of the two clusters by meaning, or neither."""
    said = "Neither space can be told to know more of what pictures mean: no two pictures share a label."
    for kind, what in ((CONCEPT, "shows the same thing"), (GROUP, "is of the same group")):
        own, deep = latents.purity.get(kind), features.purity.get(kind)
        if own is None or deep is None:
            continue
        gap = deep.value - own.value
        error = (own.error**2 + deep.error**2) ** 0.5
        told = (
            f"The nearest picture {what} for {_percent(own)} of the pictures in the autoencoder’s latents "
            f"and for {_percent(deep)} in the denoiser’s features ({100 * own.chance:.1f} % would be chance)"
        )
        if abs(gap) > SURE * error:
            better = "the denoiser’s features know" if gap > 0 else "the autoencoder’s latents know"
            return f"{told}: of the two, {better} more of what pictures mean."
        said = f"{told}: no difference that is sure."
    return said


def _as_good(pixels: Survey, features: Survey) -> list[str]:
    """A warning where plain pixels find concepts as well: that is likeness, not meaning."""
    plain, deep = pixels.purity[CONCEPT], features.purity[CONCEPT]
    if plain is None or deep is None or plain.value < deep.value:
        return []
    return [
        f"But plain pixels, seen coarsely, do as well or better ({_percent(plain)}): what is found here is "
        "that shapes and colours are alike, not yet what they mean."
    ]


def _verdict(nearer: Interval | None) -> str:
    if nearer is None:
        return ""
    if nearer.high < 1:
        return "There they do lie together."
    if nearer.low > 1:
        return "There they lie farther from each other than from the others."
    return "That they lie together is not sure even there: so few pictures leave a wide margin."


def distance_table(surveys: Sequence[Survey]) -> dict[str, Any]:
    """The head and rows of the table of distances and silhouettes."""
    kinds = list(surveys[0].silhouette)
    pairs = surveys[0].pairs
    head = ["space"]
    for pair in pairs:
        head += [f"{pair.first} – {pair.first}", f"{pair.first} – {pair.second}"]
    head += ["same concept", "other concept", *(f"silhouette by {kind}" for kind in kinds)]
    rows = []
    for found in surveys:
        row = [found.space]
        for pair in found.pairs:
            row += [_interval(pair.within_first), _interval(pair.between)]
        concepts = found.concepts
        row += [_interval(concepts.within), _interval(concepts.between)] if concepts else ["–", "–"]
        row += [_signed(found.silhouette[kind]) for kind in kinds]
        rows.append(row)
    return {"head": head, "rows": rows}


def moments_said(numbers: Sequence[dict[str, Any]], pictures: int, kind: str) -> str:
    """What the strip of moments shows; `numbers` are by moment, first to last."""
    first, last = (numbers[i][kind] for i in (0, -1))
    said = (
        f"The same {pictures} pictures in the middle of the denoiser, each time turned to lie as at the end; "
        f"two of three axes are drawn, coloured by {kind}, which the training sorted most."
    )
    if first is None:
        return said
    return (
        f"{said} The nearest picture is of the same {kind} for {_percent(first)} before training and for "
        f"{_percent(last)} at the end; {100 * last.chance:.0f} % would be chance."
    )


def method_said(shown: int, of: int, compared: int, depths: int, preview_psnr: float | None) -> list[str]:
    """Which pictures, and how it was measured; `preview_psnr` where thumbnails are not the decoder's own."""
    which = (
        f"All {of} training pictures" if shown == of else f"{shown} of {of} training pictures, taken evenly,"
    )
    return [
        f"{which} are points. The spaces are compared on "
        + ("all of them." if compared == shown else f"{compared} of them, whole concepts taken evenly."),
        "Pixels are pictures of 32 x 32. Features are the mean over all places of what a block of the "
        "denoiser gives on, each number scaled to variance 1, from a noisy latent and without a caption. "
        f"Shown is the one of {depths} depths and noise levels whose neighbours share concepts most often, "
        "which flatters it a little; the JSON file beside this page has them all.",
        "Pictures that were made from the same drawing, such as a mirrored one and its original, are never "
        "counted as each other’s neighbours. A silhouette says how much nearer a picture’s own label is than "
        "the next one, from −1 to 1; around 0 labels lie mixed.",
        "Decoded pictures and walks are the decoder’s own."
        if preview_psnr is None
        else "Walks are the decoder’s own. Of so many decoded pictures it drew a few; all are shown by a "
        f"linear map, fitted on these, which is {preview_psnr:.0f} dB from the decoder at this size.",
    ]


def _percent(purity: Purity) -> str:
    return f"{100 * purity.value:.1f} ± {100 * purity.error:.1f} %"


def _number(interval: Interval) -> str:
    return f"{interval.value:.2f} [{interval.low:.2f} to {interval.high:.2f}]"


def _interval(interval: Interval | None) -> str:
    return _number(interval) if interval else "–"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}".replace("-", "−")
