"""Pictures and masks that were sent, made what our own requests take.

The model draws squares. So a picture that is to come back in some size is first made to fill that size, in
one of FILLS, and then squeezed into a square; what is drawn is stretched back (`drawing.encoded`).
"""

import io
import math
from collections.abc import Callable, Mapping

from PIL import Image, ImageFilter, ImageOps

from rhinoise.core.errors import ConfigError, PictureError
from rhinoise.server.drawing import Size
from rhinoise.server.pictures import FORMATS

LANCZOS = Image.Resampling.LANCZOS
MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
"""Of at most 8 bits a channel."""

FILLS: Mapping[str, Callable[[Image.Image, Size], Image.Image]] = {
    "stretch": lambda image, size: image.resize(size, LANCZOS),
    "crop": lambda image, size: ImageOps.fit(image, size, LANCZOS),
    # White around a picture; black around a mask, where nothing is drawn.
    "pad": lambda image, size: _padded(image, size),
}
"""How a picture fills a size of other proportions."""


def _padded(image: Image.Image, size: Size) -> Image.Image:
    """Whole; PictureError where one side would be less than a pixel."""
    scale = min(size[0] / image.width, size[1] / image.height)
    if round(scale * min(image.size)) < 1:
        raise PictureError(f"a picture of {image.width} x {image.height} is too narrow to be fitted: crop it")
    return ImageOps.pad(image, size, LANCZOS, color="white" if image.mode == "RGB" else 0)


def filled(data: bytes, size: Size | None, fill: str = "pad") -> bytes:
    """A picture that fills `size`, squeezed into a square; as it is where there is no size."""
    if size is None:
        return data
    image = _opened(data).convert("RGBA")
    on_white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return _png(_squeezed(FILLS[fill](on_white, size)))


def mask_of_transparency(data: bytes, size: Size | None, fill: str = "pad") -> bytes:
    """A mask that is transparent where to draw => white where to draw, filling `size`, squeezed."""
    mask = ImageOps.invert(_opened(data).convert("RGBA").getchannel("A"))
    if mask.getextrema() == (0, 0):
        raise PictureError("the mask is nowhere transparent: it must be where the picture may change")
    return _png(mask if size is None else _squeezed(FILLS[fill](mask, size)))


def mask_of_brightness(data: bytes, size: Size | None, fill: str, *, invert: bool, blur: float) -> bytes:
    """A mask that is white, or else opaque, where to draw, its edge blurred; filling `size`, squeezed.

    Args:
        data: the picture.
        size: what it fills; None: what it has.
        fill: one of FILLS.
        invert: draw where it is black instead.
        blur: radius in pixels of `size`.
    """
    image = _opened(data).convert("RGBA")
    alpha = image.getchannel("A")
    mask = image.convert("L") if alpha.getextrema() == (255, 255) else alpha
    mask = mask.point(lambda level: 255 * ((level > 127) != invert))
    mask = mask if size is None else FILLS[fill](mask, size)
    mask = mask.filter(ImageFilter.GaussianBlur(blur))
    if mask.getextrema() == (0, 0):
        raise ConfigError("the mask has no place to draw: draw white where the picture may change")
    return _png(mask if size is None else _squeezed(mask))


def same_size(data: bytes, other: bytes) -> bool:
    """Whether two pictures have the same width and height."""
    return _opened(data).size == _opened(other).size


def _opened(data: bytes) -> Image.Image:
    """A picture that `pictures.checked` has let in, decoded and upright."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.mode in MODES:
            image.load()
            return ImageOps.exif_transpose(image)
    except Exception as error:  # Pillow's readers raise a dozen kinds on broken bytes
        raise PictureError("the picture is truncated or damaged") from error
    raise PictureError(f"a picture of the kind {image.mode} is not taken here: save it with 8 bits a channel")


def _squeezed(image: Image.Image) -> Image.Image:
    """A square of as many pixels."""
    side = math.isqrt(image.width * image.height)
    return image.resize((side, side), LANCZOS)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()
