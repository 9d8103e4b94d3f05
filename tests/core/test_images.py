"""Pictures: every mode and format to the exact colour, and every bad file to its sentence."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont

from rhinoise.core import images
from rhinoise.core.errors import PictureError
from rhinoise.core.images import (
    enlarged,
    from_uint8,
    grid,
    inspect_picture,
    open_picture,
    square,
    to_pil,
    to_tensor,
    to_uint8,
    wrapped,
)

# Pillow's warnings on bad bytes, which the module silences outside pytest.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL")

SIDE = 16
GREEN = (0, 255, 0)


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def plain(mode: str, colour: object) -> Image.Image:
    return Image.new(mode, (SIDE, SIDE), colour)


def grey(dtype: type, value: float) -> Image.Image:
    return Image.fromarray(np.full((SIDE, SIDE), value, dtype))


def palette(colour: tuple[int, int, int]) -> Image.Image:
    image = plain("P", 1)
    image.putpalette([9, 9, 9, *colour])
    return image


# name => (bytes, the colour on a green background)
MODES = {
    "rgb png": (encode(plain("RGB", (1, 2, 3)), "PNG"), (1, 2, 3)),
    "rgb bmp": (encode(plain("RGB", (1, 2, 3)), "BMP"), (1, 2, 3)),
    "rgb tiff": (encode(plain("RGB", (1, 2, 3)), "TIFF"), (1, 2, 3)),
    "rgb webp": (encode(plain("RGB", (1, 2, 3)), "WEBP", lossless=True), (1, 2, 3)),
    "rgb gif": (encode(plain("RGB", (1, 2, 3)), "GIF"), (1, 2, 3)),
    "rgb jpeg": (encode(plain("RGB", (128, 128, 128)), "JPEG"), (128, 128, 128)),
    "grey jpeg": (encode(plain("L", 77), "JPEG"), (77, 77, 77)),
    "cmyk tiff": (encode(plain("CMYK", (255, 0, 0, 0)), "TIFF"), (0, 255, 255)),
    "cmyk jpeg": (encode(plain("CMYK", (0, 0, 0, 255)), "JPEG", quality=100), (0, 0, 0)),
    "transparent rgba": (encode(plain("RGBA", (9, 9, 9, 0)), "PNG"), GREEN),
    "half rgba": (encode(plain("RGBA", (255, 0, 0, 128)), "PNG"), (128, 127, 0)),
    "opaque rgba": (encode(plain("RGBA", (1, 2, 3, 255)), "PNG"), (1, 2, 3)),
    "rgba webp": (encode(plain("RGBA", (9, 9, 9, 0)), "WEBP", lossless=True), GREEN),
    "rgba tiff": (encode(plain("RGBA", (9, 9, 9, 0)), "TIFF"), GREEN),
    "la": (encode(plain("LA", (50, 0)), "PNG"), GREEN),
    "palette": (encode(palette((7, 8, 9)), "PNG"), (7, 8, 9)),
    "transparent palette": (encode(palette((7, 8, 9)), "PNG", transparency=1), GREEN),
    "transparent gif": (encode(palette((7, 8, 9)), "GIF", transparency=1), GREEN),
    "colour key": (encode(plain("RGB", (1, 2, 3)), "PNG", transparency=(1, 2, 3)), GREEN),
    "bilevel": (encode(plain("1", 1), "PNG"), (255, 255, 255)),
    "grey": (encode(plain("L", 77), "PNG"), (77, 77, 77)),
    "16 bit png": (encode(grey(np.uint16, 0x8080), "PNG"), (128, 128, 128)),
    "16 bit white": (encode(grey(np.uint16, 65535), "TIFF"), (255, 255, 255)),
    "16 bit black": (encode(grey(np.uint16, 0), "TIFF"), (0, 0, 0)),
    "32 bit": (encode(grey(np.int32, 0x8080), "TIFF"), (128, 128, 128)),
    "32 bit of 8": (encode(grey(np.int32, 200), "TIFF"), (200, 200, 200)),
    "float": (encode(grey(np.float32, 0.2), "TIFF"), (51, 51, 51)),
    "float of 8": (encode(grey(np.float32, 200), "TIFF"), (200, 200, 200)),
    "negative float": (encode(grey(np.float32, -1), "TIFF"), (0, 0, 0)),
    "not a number": (encode(grey(np.float32, np.nan), "TIFF"), (0, 0, 0)),
}


@pytest.mark.parametrize("name", MODES)
def test_every_mode_and_format_has_its_colour(name):
    data, colour = MODES[name]
    picture = open_picture(data, background=GREEN)
    assert picture.mode == "RGB"
    assert picture.getcolors() == [(SIDE * SIDE, colour)]


def test_the_first_frame_of_an_animation():
    frames = [plain("RGB", (255, 0, 0)), plain("RGB", (0, 0, 255))]
    for kind in ("GIF", "WEBP", "TIFF"):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert open_picture(data).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(orientation):
    """The corners of an upright picture, stored turned and said to be so, come back where they were."""
    upright = Image.new("RGB", (24, 16))
    upright.putpixel((0, 0), (255, 0, 0))
    upright.putpixel((23, 0), (0, 255, 0))
    stored = upright
    if orientation > 1:
        turn = images._ORIENTATIONS[orientation]
        back = {
            Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270,
            Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90,
        }.get(turn, turn)
        stored = upright.transpose(back)
    exif = Image.Exif()
    exif[images._ORIENTATION_TAG] = orientation
    assert open_picture(encode(stored, "PNG", exif=exif)).tobytes() == upright.tobytes()


def test_orientation_six_turns_clockwise():
    """EXIF 6 is a camera held upright: the stored left column is the upright top row, from the right."""
    stored = plain("RGB", (0, 0, 0))
    stored.putpixel((0, SIDE - 1), (255, 255, 255))
    exif = Image.Exif()
    exif[images._ORIENTATION_TAG] = 6
    assert open_picture(encode(stored, "PNG", exif=exif)).getpixel((0, 0)) == (255, 255, 255)


def test_a_jpeg_may_be_decoded_smaller():
    data = encode(Image.linear_gradient("L").resize((640, 640)), "JPEG", quality=95)
    whole, small = open_picture(data), open_picture(data, at_least=64)
    assert whole.size == (640, 640)
    assert 64 <= min(small.size) < 640
    difference = np.asarray(square(whole, 64), float) - np.asarray(square(small, 64), float)
    assert np.abs(difference).max() <= 2


def noisy(kind: str) -> bytes:
    values = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    return encode(Image.fromarray(values), kind)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    body = b"IDAT" + zlib.compress(b"")
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", len(body) - 4) + body + b"\0" * 4


BAD = {
    "empty": (b"", "empty"),
    "text": (b"a rhinoceros, grazing\n", "text file"),
    "html": (b"<html><body>404 not found</body></html>", "text file"),
    "random": (bytes(range(256)), "not a picture"),
    "bomb": (png_header(100_000, 100_000), "decompression bomb"),
    "large": (png_header(10_000, 10_000), "decompression bomb"),
    "tiny": (encode(Image.new("RGB", (1, 1)), "PNG"), "too small"),
    "no pixels": (png_header(64, 64), "truncated or damaged"),
    **{
        f"truncated {kind.lower()}": (noisy(kind)[: len(noisy(kind)) // 2], "truncated or damaged")
        for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP")
    },
    "truncated tiff": (noisy("TIFF")[:-500], "truncated or damaged"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_bytes_are_refused_in_one_sentence(name):
    data, reason = BAD[name]
    with pytest.raises(PictureError, match=reason) as caught:
        open_picture(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["empty", "text", "bomb", "tiny"])
def test_headers_tell_it_without_decoding(name):
    data, reason = BAD[name]
    with pytest.raises(PictureError, match=reason):
        inspect_picture(data)


def test_content_decides_and_not_the_extension(tmp_path):
    path = tmp_path / "picture.jpg"
    path.write_bytes(MODES["rgb png"][0])
    assert open_picture(path).getpixel((0, 0)) == (1, 2, 3)


@pytest.mark.parametrize("name", ["missing.png", "folder.png", "text.png"])
def test_files_are_named(tmp_path, name):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(PictureError, match=name):
        open_picture(tmp_path / name)


HEADS = [data[:n] for data, _ in MODES.values() for n in (8, 40, len(data) - 1)]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["", *range(len(HEADS))]), st.binary(max_size=200))
def test_no_bytes_raise_anything_else(head, tail):
    data = (HEADS[head] if isinstance(head, int) else b"") + tail
    try:
        picture = open_picture(data)
    except PictureError:
        return
    assert picture.mode == "RGB"


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(MODES)), st.integers(0, 10_000), st.integers(0, 255))
def test_one_wrong_byte_raises_nothing_else(name, place, value):
    data = bytearray(MODES[name][0])
    data[place % len(data)] = value
    try:
        picture = open_picture(bytes(data))
    except PictureError:
        return
    assert picture.mode == "RGB"


# --- squares


@pytest.mark.parametrize("size", [(40, 20), (20, 40), (33, 7), (64, 64), (500, 10)])
@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_squares_are_square(size, fit):
    picture = square(Image.new("RGB", size, (200, 10, 10)), 32, fit, GREEN)
    assert picture.size == (32, 32)
    assert (200, 10, 10) in [colour for _, colour in picture.getcolors()]


def test_pad_keeps_all_and_crop_keeps_the_middle():
    wide = Image.new("RGB", (40, 20), (200, 10, 10))
    assert square(wide, 32, "pad", GREEN).getpixel((0, 0)) == GREEN
    assert square(wide, 32, "pad", GREEN).getpixel((0, 8)) == (200, 10, 10)
    assert square(wide, 32, "crop", GREEN).getcolors() == [(32 * 32, (200, 10, 10))]


@pytest.mark.parametrize(("side", "factor"), [(1, 1), (20, 1), (21, 2), (128, 7)])
def test_pictures_are_enlarged_in_whole_multiples(side, factor):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (10, 20, 3), np.uint8))
    found = np.asarray(enlarged(picture, side))
    assert found.shape == (10 * factor, 20 * factor, 3)
    assert (found[::factor, ::factor] == np.asarray(picture)).all()
    assert (found[factor - 1 :: factor, factor - 1 :: factor] == np.asarray(picture)).all()


# --- tensors


def test_every_value_survives_the_tensor():
    values = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).expand(1, 3, 16, 16)
    assert torch.equal(to_uint8(from_uint8(values)), values)
    assert from_uint8(values).min() == -1
    assert from_uint8(values).max() == 1


def test_pictures_and_tensors_invert():
    """Batch, height and width differ from each other and from 3, so that no axis can stand for another."""
    values = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), np.uint8)
    pictures = [Image.fromarray(value) for value in values]
    tensor = to_tensor(pictures)
    assert tensor.shape == (2, 3, 5, 7)
    assert tensor[1, 2, 3, 4].item() == pytest.approx(values[1, 3, 4, 2] / 127.5 - 1, abs=1e-6)
    assert [picture.tobytes() for picture in to_pil(tensor)] == [picture.tobytes() for picture in pictures]


def test_what_lies_outside_is_clipped():
    assert to_uint8(torch.tensor([-7.0, 7.0]).reshape(1, 1, 1, 2).expand(1, 3, 1, 2)).unique().tolist() == [
        0,
        255,
    ]


# --- contact sheets


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=200), st.integers(40, 200))
def test_captions_are_never_wider_than_their_picture(text, width):
    lines = wrapped(text, width, 10)
    assert len(lines) <= 3
    assert all(ImageFont.load_default(10).getlength(line) <= width for line in lines)


def test_short_captions_are_whole_and_long_ones_say_so():
    assert wrapped("a rhinoceros", 200, 10) == ["a rhinoceros"]
    assert wrapped("rhinoceros " * 50, 100, 10)[-1].endswith("...")


def test_pictures_lie_where_they_belong():
    colours = [(index, 0, 0) for index in range(5)]
    sheet = grid([plain("RGB", colour) for colour in colours], columns=3)
    step = SIDE + 4
    found = [sheet.getpixel((4 + index % 3 * step, 4 + index // 3 * step)) for index in range(5)]
    assert found == colours


def test_labels_stay_between_their_pictures():
    """With labels as long as can be, nothing is drawn on a picture or in the gaps between columns."""
    black = plain("RGB", (0, 0, 0)).resize((96, 96))
    sheet = np.asarray(grid([black] * 4, columns=2, labels=["many words " * 30] * 4).convert("L"))
    assert (sheet[:, [0, 1, 2, 3, 100, 101, 102, 103]] == 255).all()
    assert (sheet[-4:] == 255).all()
