"""Pictures that were sent: looked at before they are decoded, and only formats that training opens too."""

import base64
import binascii
import io
import warnings

from PIL import Image

from rhinoise.core.errors import PictureError
from rhinoise.server.settings import Limits

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
"""As `core.images.FORMATS`, which knows torch."""

# Pillow warns of sizes, which are looked at here, and of harmless tags.
warnings.filterwarnings("ignore", module=r"PIL\.")


def checked(data: bytes, limits: Limits) -> bytes:
    """The bytes, if they are a picture that may be opened; PictureError says why not. Nothing is decoded."""
    if len(data) > limits.upload_bytes:
        raise PictureError(f"{len(data):,} bytes are more than the {limits.upload_bytes:,} that are taken")
    with _header(data) as image:
        width, height = image.size
    if width * height > limits.pixels:
        raise PictureError(f"{width} x {height} is more than the {limits.pixels:,} pixels that are taken")
    return data


def format_of(data: bytes) -> str:
    """One of FORMATS, by content; PictureError when it is none."""
    with _header(data) as image:
        return "JPEG" if image.format == "MPO" else str(image.format)  # MPO: several JPEGs in one


def from_text(text: str, limits: Limits) -> bytes:
    """A picture as base64 or as a data: URI; PictureError when it is neither."""
    try:
        data = base64.b64decode(
            text.partition("base64,")[2] if text.startswith("data:") else text, validate=True
        )
    except (binascii.Error, ValueError):
        raise PictureError("this is not a picture in base64") from None
    return checked(data, limits)


def data_uri(image: Image.Image) -> str:
    """A picture for `src`, small: it is looked at for a moment."""
    buffer = io.BytesIO()
    image.save(buffer, format="WEBP", quality=80)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _header(data: bytes) -> Image.Image:
    """A picture of which only the header was read."""
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise PictureError("this picture has more pixels than are taken") from None
    except Exception:  # Pillow's readers raise a dozen kinds on broken bytes
        raise PictureError(f"this is not a picture, wanted one of {', '.join(FORMATS)}") from None
