"""Pictures: files and bytes => PIL => tensors in [-1, 1], and back; safe decoding; contact sheets."""

import io
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError
from torch import Tensor

from rhinoise.core.errors import PictureError
from rhinoise.core.shapes import Images

Colour = tuple[int, int, int]
"""Red, green and blue, each in 0..255."""

BRIGHTNESS = (0.299, 0.587, 0.114)
"""How bright red, green and blue look (ITU-R BT.601)."""

Fit = Literal["pad", "crop"]
"""How a picture becomes square: `pad` keeps all of it on a background, `crop` keeps the middle."""

WHITE: Colour = (255, 255, 255)

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
"""What may be opened, decided by content. Few readers are a small surface for hostile files."""

MAX_PIXELS = 89_478_485
"""Larger pictures are refused before they are decoded: 256 MiB as RGB, and where Pillow starts to warn."""

MIN_SIDE = 8
"""Smaller pictures are tracking dots and broken thumbnails; nothing can be learnt from them."""

# Pillow warns of what is refused here anyway (size), or is harmless (malformed EXIF), once per file.
warnings.filterwarnings("ignore", module=r"PIL\.")

_ORIENTATION_TAG = 0x0112
# EXIF orientation => what makes the picture upright (EXIF 2.3, section 4.6.4).
_ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LYING = (5, 6, 7, 8)
"""Those that exchange width and height."""

# Modes that do not say which number is white => the candidates; the first that holds the brightest pixel is.
_WHITE_POINTS: dict[str, tuple[float, ...]] = {
    "I;16": (2**16 - 1,),
    "I;16L": (2**16 - 1,),
    "I;16B": (2**16 - 1,),
    "I": (2**8 - 1, 2**16 - 1, 2**31 - 1),
    "F": (1.0, 2**8 - 1, 2**16 - 1),
}


# --- files and bytes => PIL


def open_picture(
    source: Path | bytes, background: Colour = WHITE, at_least: int | None = None
) -> Image.Image:
    """A whole picture, upright, in RGB, transparency composited on `background`.

    The first frame of an animation; 16-bit, 32-bit and float greys are scaled to 8 bits. `at_least` allows a
    JPEG to be decoded smaller, for speed, with both sides still at least that many pixels.
    Raises PictureError when it is not a picture that may be opened; its sentence names the file, if any.
    """
    if isinstance(source, Path):
        try:
            return open_picture(read_bytes(source), background, at_least)
        except PictureError as error:
            raise PictureError(f"{source}: {error}") from None
    image = _identify(source)
    try:
        if at_least is not None:
            # Twice the wanted side, so that Lanczos still has something to average.
            image.draft(None, (2 * at_least, 2 * at_least))
        image.load()
        orientation = image.getexif().get(_ORIENTATION_TAG)
        picture = _rgb(image, background)
    except Exception as error:  # Pillow's readers raise a dozen kinds on broken bytes
        raise _damaged(error) from error
    return picture.transpose(_ORIENTATIONS[orientation]) if orientation in _ORIENTATIONS else picture


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a picture's file says of itself."""

    format: str
    """One of FORMATS."""
    mode: str
    """Pillow's: RGB, RGBA, P, L, CMYK, I;16, ..."""
    width: int
    height: int
    """Pixels, of the picture when it is upright."""
    transparent: bool
    """Whether it may be seen through: it has an alpha channel, or a colour that stands for nothing."""


def inspect_picture(data: bytes) -> Header:
    """What a picture's header states, without decoding it.

    Raises PictureError as `open_picture` does, for all that a header can tell.
    """
    image = _identify(data)
    try:
        # A PNG would be decoded for this, and hardly any says that it is to be turned.
        turned = image.format != "PNG" and image.getexif().get(_ORIENTATION_TAG) in _LYING
    except Exception as error:  # see open_picture
        raise _damaged(error) from error
    width, height = reversed(image.size) if turned else image.size
    return Header(
        format=image.format or "",
        mode=image.mode,
        width=width,
        height=height,
        transparent=image.has_transparency_data,
    )


def read_bytes(path: Path) -> bytes:
    """A file's bytes; PictureError when it is missing, a folder, or may not be read."""
    if path.exists() and not path.is_file():
        raise PictureError("not a file")  # a pipe would be waited for without end
    try:
        return path.read_bytes()
    except OSError as error:
        raise PictureError(f"it cannot be read ({error.strerror})") from error


def _identify(data: bytes) -> Image.Image:
    """A picture with only its header read."""
    if not data:
        raise PictureError("the file is empty")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        kind = "a text file" if _is_text(data) else "not a picture"
        raise PictureError(f"it is {kind}, wanted one of {', '.join(FORMATS)}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PictureError(f"it claims more than {MAX_PIXELS:,} pixels: a decompression bomb?") from None
    except Exception as error:  # see open_picture
        raise _damaged(error) from error
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise PictureError(f"{width} x {height} is more than {MAX_PIXELS:,} pixels: a decompression bomb?")
    if min(width, height) < MIN_SIDE:
        raise PictureError(f"{width} x {height} is too small, wanted at least {MIN_SIDE} pixels a side")
    return image


def _rgb(image: Image.Image, background: Colour) -> Image.Image:
    """Any mode => RGB; transparency of any kind composited on `background`."""
    if image.mode in _WHITE_POINTS:
        image = _eight_bits(image)
    if image.has_transparency_data:
        canvas = Image.new("RGBA", image.size, (*background, 255))
        return Image.alpha_composite(canvas, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Greys of 16 bits, 32 bits or floats => 8 bits; what is not a number, or negative, is black."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float64), nan=0, posinf=0, neginf=0)
    points = _WHITE_POINTS[image.mode]
    brightest = values.max()
    white = next((point for point in points if brightest <= point), brightest)
    return Image.fromarray((values.clip(min=0) * (255 / white)).round().astype(np.uint8))


def _is_text(data: bytes) -> bool:
    head = data[:512]
    return b"\0" not in head and all(byte >= 32 or byte in b"\t\n\r\f" for byte in head)


def _damaged(error: Exception) -> PictureError:
    """With the first line of what Pillow said, or its kind where it said nothing."""
    said = (str(error).splitlines() or [type(error).__name__])[0][:120]
    return PictureError(f"the picture is truncated or damaged ({said})")


# --- PIL => PIL


def square(image: Image.Image, size: int, fit: Fit = "pad", background: Colour = WHITE) -> Image.Image:
    """RGB picture => `size` x `size`, never distorted (Lanczos; a box filter first for large ones)."""
    if image.size == (size, size):
        return image
    if fit == "crop":
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        box = (left, top, left + side, top + side)
        return image.resize((size, size), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    inner = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
    canvas = Image.new("RGB", (size, size), background)
    canvas.paste(inner, ((size - width) // 2, (size - height) // 2))
    return canvas


def enlarged(image: Image.Image, side: int) -> Image.Image:
    """At least `side` pixels wide, in whole multiples, so that its pixels stay squares."""
    factor = -(-side // image.width)
    return image.resize((factor * image.width, factor * image.height), Image.Resampling.NEAREST)


# --- PIL <=> tensors


def to_uint8(images: Images) -> UInt8[Tensor, "b 3 H W"]:
    """[-1, 1] => 0..255, rounded; what lies outside is clipped."""
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def from_uint8(pixels: UInt8[Tensor, "b 3 H W"]) -> Images:
    """0..255 => [-1, 1], float32; `to_uint8` gives back the same numbers."""
    return pixels.float() / 127.5 - 1


def to_tensor(images: Sequence[Image.Image]) -> Images:
    """RGB pictures of one size => a batch in [-1, 1]."""
    return from_uint8(torch.stack([torch.from_numpy(pixels(image)) for image in images]))


def to_pil(images: Images) -> list[Image.Image]:
    """A batch in [-1, 1] => RGB pictures."""
    return [
        Image.fromarray(np.ascontiguousarray(array))
        for array in to_uint8(images).cpu().permute(0, 2, 3, 1).numpy()
    ]


def pixels(image: Image.Image) -> UInt8[np.ndarray, "3 H W"]:
    """An RGB picture's numbers in 0..255, channels first."""
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


# --- contact sheets

_GAP = 4
_LABEL_LINES = 3
_MIN_LABELLED_WIDTH = 96


def grid(images: Sequence[Image.Image], columns: int, labels: Sequence[str] | None = None) -> Image.Image:
    """A contact sheet, row by row, on white; captions, if any, below their pictures.

    Captions are wrapped to three lines and shortened with "..." after those.
    """
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    width = max(image.width for image in images)
    picture_height = max(image.height for image in images)
    label_height, size = 0, 0
    if labels is not None:
        width = max(width, _MIN_LABELLED_WIDTH)
        size = max(10, min(20, width // 14))
        label_height = _LABEL_LINES * _line_height(size)
    sheet = Image.new(
        "RGB",
        (
            columns * (width + _GAP) + _GAP,
            rows * (picture_height + label_height + _GAP) + _GAP,
        ),
        WHITE,
    )
    draw = ImageDraw.Draw(sheet)
    for index, image in enumerate(images):
        left = _GAP + index % columns * (width + _GAP)
        top = _GAP + index // columns * (picture_height + label_height + _GAP)
        sheet.paste(image, (left + (width - image.width) // 2, top + (picture_height - image.height) // 2))
        if labels is not None:
            font = font_of(size)
            for number, line in enumerate(wrapped(labels[index], width, size)):
                position = (left + width / 2, top + picture_height + number * _line_height(size))
                draw.text(position, line, fill="black", font=font, anchor="ma")
    return sheet


def wrapped(text: str, width: int, size: int) -> list[str]:
    """A caption as at most three lines, none wider than `width` pixels at that font size."""
    font = font_of(size)
    lines: list[str] = []
    words = text.split()
    while words and len(lines) < _LABEL_LINES:
        line = ""
        while words and font.getlength(f"{line} {words[0]}".strip()) <= width:
            line = f"{line} {words.pop(0)}".strip()
        if not line:  # one word wider than the picture: broken where it must be
            count = len(words[0])
            while count > 1 and font.getlength(words[0][:count]) > width:
                count -= 1
            line, words[0] = words[0][:count], words[0][count:]
            words = [word for word in words if word]
        lines.append(line)
    if words:
        last = lines[-1]
        while last and font.getlength(last + "...") > width:
            last = last[:-1]
        lines[-1] = last.rstrip() + "..."
    return lines


@cache
def font_of(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib and has many letters; Pillow's own font has not even ô."""
    package = find_spec("matplotlib")
    assert package is not None
    assert package.origin is not None
    return ImageFont.truetype(
        Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf", size
    )


def _line_height(size: int) -> int:
    return math.ceil(size * 1.25)
