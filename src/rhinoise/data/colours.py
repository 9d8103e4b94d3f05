"""Colours in words: which one a drawing is mostly painted in, and the same drawing painted in another."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8

from rhinoise.core.images import BRIGHTNESS, Colour

PAINTS: dict[str, Colour] = {
    "red": (221, 46, 68),
    "orange": (244, 144, 12),
    "yellow": (255, 204, 77),
    "green": (92, 158, 49),
    "blue": (59, 136, 195),
    "purple": (146, 102, 204),
    "pink": (244, 154, 193),
    "brown": (140, 90, 60),
}
"""What a drawing can be painted in."""

WORDS: dict[str, Colour] = PAINTS | {"grey": (140, 145, 150), "black": (35, 35, 40), "white": (250, 250, 250)}
"""What a colour can be called."""

OUTLINE, PAPER = 60, 242
"""Darker than the first in every channel is outline, lighter than the second is paper."""
LEAST = 0.12
"""The part of the drawing that its main paint covers at least; below that it has none."""
ALIKE = 35.0
"""Degrees of hue within which a pixel is a shade of the main paint."""
GREYISH = 0.18
"""Below this saturation a colour has no hue to speak of."""


@dataclass(frozen=True)
class Paint:
    """The paint that most of a drawing is done in."""

    colour: Colour
    word: str


def main_paint(pixels: UInt8[np.ndarray, "h w 3"]) -> Paint | None:
    """The commonest colour that is neither outline nor paper; None where no colour leads."""
    drawn = pixels[(pixels.min(-1) < PAPER) & (pixels.max(-1) > OUTLINE)]
    ink = int((pixels.min(-1) < PAPER).sum())
    if len(drawn) == 0:
        return None
    bins = drawn.astype(np.int32) >> 4
    codes = bins[:, 0] << 8 | bins[:, 1] << 4 | bins[:, 2]
    counts = np.bincount(codes)
    best = int(counts.argmax())
    if counts[best] < LEAST * ink:
        return None
    red, green, blue = (int(value) for value in drawn[codes == best].mean(0).round())
    return Paint((red, green, blue), word((red, green, blue)))


def word(colour: Colour) -> str:
    """The nearest word for a colour: by hue first, where it has one."""
    return list(WORDS)[int(_nearest(np.array(colour)))]


def commonest_paint(pixels: UInt8[np.ndarray, "h w 3"]) -> str | None:
    """The name in PAINTS of most pixels that are neither outline nor paper; None where there is no paint.

    Unlike `main_paint` it does not ask that many pixels are of quite the same colour, which only a flat
    drawing's are, and takes shades of grey for nobody's paint.
    """
    drawn = pixels[(pixels.min(-1) < PAPER) & (pixels.max(-1) > OUTLINE)]
    counts = np.bincount(_nearest(drawn), minlength=len(WORDS))[: len(PAINTS)]
    return list(PAINTS)[int(counts.argmax())] if counts.any() else None


def _nearest(colours: Shaped[np.ndarray, "*s 3"]) -> Int[np.ndarray, "*s"]:
    """The number of the nearest of WORDS, of which PAINTS are the first."""
    words = _features(np.array(list(WORDS.values())))
    return np.asarray(np.abs(_features(colours)[..., None, :] - words).sum(-1).argmin(-1))


def painted(pixels: UInt8[np.ndarray, "h w 3"], paint: Paint, colour: Colour) -> UInt8[np.ndarray, "h w 3"]:
    """The drawing with its main paint, and all shades of that, in another colour; light stays light."""
    values = pixels.astype(np.float64)
    here = luminance(values)
    there = float(luminance(np.array(paint.colour, float)))
    wanted = np.array(colour, float)
    # Darker shades go towards black, lighter ones towards white, as they did from the first paint.
    darker = wanted * (here / there)[..., None]
    lighter = wanted + (255 - wanted) * ((here - there) / (255 - there)).clip(0, 1)[..., None]
    repainted = np.where((here <= there)[..., None], darker, lighter)
    weight = _alike(values, np.array(paint.colour, float))[..., None]
    return (values + weight * (repainted - values)).round().clip(0, 255).astype(np.uint8)


def differ(paint: Paint, name: str) -> bool:
    """Whether painting it `name` would change what one sees."""
    if paint.word == name:
        return False
    first, other = np.array(paint.colour, float), np.array(PAINTS[name], float)
    return bool(_saturation(first) < GREYISH or _hue_distance(_hue(first), _hue(other)) > ALIKE)


def luminance(values: Float[np.ndarray, "*s 3"]) -> Float[np.ndarray, "*s"]:
    """How light a colour is, in the unit of its channels."""
    return np.asarray(values @ np.array(BRIGHTNESS))


def _alike(values: Float[np.ndarray, "h w 3"], paint: Float[np.ndarray, "3"]) -> Float[np.ndarray, "h w"]:
    """In [0, 1]: how much a pixel is a shade of the paint."""
    saturation = _saturation(values)
    if _saturation(paint) < GREYISH:
        grey = 1 - (saturation - GREYISH).clip(0, GREYISH) / GREYISH
        return grey * (values.max(-1) > OUTLINE)
    near = 1 - (_hue_distance(_hue(values), _hue(paint)) - ALIKE).clip(0, ALIKE) / ALIKE
    return near * (saturation / GREYISH).clip(0, 1)


def _saturation(values: Float[np.ndarray, "*s 3"]) -> Float[np.ndarray, "*s"]:
    top = values.max(-1)
    return np.asarray((top - values.min(-1)) / np.maximum(top, 1))


def _hue(values: Float[np.ndarray, "*s 3"]) -> Float[np.ndarray, "*s"]:
    """In degrees: the angle in the plane across the grey axis."""
    red, green, blue = values[..., 0], values[..., 1], values[..., 2]
    return np.asarray(np.degrees(np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue)))


def _hue_distance(here: Float[np.ndarray, "*s"], there: Float[np.ndarray, ""]) -> Float[np.ndarray, "*s"]:
    return np.asarray(np.abs((here - there + 180) % 360 - 180))


def _features(colours: Shaped[np.ndarray, "*s 3"]) -> Float[np.ndarray, "*s 3"]:
    """Colours as (lightness, two coordinates of hue and saturation).

    The root keeps light green nearer to green than to grey.
    """
    values = colours.astype(np.float64)
    hue, saturation = np.radians(_hue(values)), np.sqrt(_saturation(values))
    parts = (0.7 * luminance(values) / 255, saturation * np.cos(hue), saturation * np.sin(hue))
    return np.stack(parts, axis=-1)
