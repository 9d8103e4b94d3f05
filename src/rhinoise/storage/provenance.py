"""What a generated picture says about itself: how it was asked for, by which model, and that it is generated.

A PNG carries three text chunks:

    parameters             the line of settings that AUTOMATIC1111 and most galleries read and show
    rhinoise               the whole request as JSON, and the model's hash: enough to draw the picture again
    XML:com.adobe.xmp      the IPTC's digital source type: machine-readable "made by a trained model"
"""

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from rhinoise.core.errors import PictureError
from rhinoise.core.files import replacing

GENERATED = "trainedAlgorithmicMedia"
"""Drawn by a trained model alone (IPTC digital source type)."""
EDITED = "compositeWithTrainedAlgorithmicMedia"
"""An existing picture, changed by a trained model: inpainting and image-to-image."""

SOURCES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
PARAMETERS, RECORD, XMP = "parameters", "rhinoise", "XML:com.adobe.xmp"
NEGATIVE = "Negative prompt:"
MARK = {"Software": "rhinoise"}
"""The text of a figure, by which its own file is known again."""

_XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
    "<Iptc4xmpExt:DigitalSourceType>{source}</Iptc4xmpExt:DigitalSourceType>"
    '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
_SOURCE = re.compile(rf"DigitalSourceType>{re.escape(SOURCES)}(\w+)<")
_SETTING = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """The `parameters` text, taken apart; every setting is text."""

    prompt: str
    negative: str
    settings: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a PNG says about itself; None for what it does not say."""

    parameters: str | None
    request: dict[str, Any] | None
    model_hash: str | None
    source: str | None
    """GENERATED, EDITED, or another of the IPTC's digital source types."""
    check: dict[str, Any] | None = None
    """What the replica meter found of it."""


def parameters_text(prompt: str, negative: str, settings: Mapping[str, object]) -> str:
    """The `parameters` text: the prompt, the negative prompt if any, and one line of settings.

    Settings that are None are left out. A prompt with a line that begins "Negative prompt:" cannot be read
    back from it, nor can blanks at the ends of lines; the request in the PNG keeps them.
    """
    line = ", ".join(f"{key}: {_quoted(value)}" for key, value in settings.items() if value is not None)
    below = f"\n{NEGATIVE} {negative}" if negative else ""
    return f"{prompt}{below}\n{line}".strip()


def parse_parameters(text: str) -> Parameters:
    """The `parameters` text of any program, taken apart; Size: WxH also as Size-1 and Size-2."""
    lines = text.strip().split("\n")
    found = _SETTING.findall(lines[-1])
    if len(found) < 3:
        found = []  # the last line belongs to the prompt
    else:
        lines.pop()
    lines = [line.strip() for line in lines]
    start = next((at for at, line in enumerate(lines) if line.startswith(NEGATIVE)), len(lines))
    settings: dict[str, str] = {}
    for key, value in found:
        settings[key] = _unquoted(value)
        if size := re.fullmatch(r"(\d+)x(\d+)", settings[key]):
            settings |= {f"{key}-1": size[1], f"{key}-2": size[2]}
    return Parameters(
        prompt="\n".join(lines[:start]).strip(),
        negative="\n".join(lines[start:]).removeprefix(NEGATIVE).strip(),
        settings=settings,
    )


def source_xmp(source: str = GENERATED) -> str:
    """The XMP that says where a picture comes from, for any format that holds XMP."""
    return _XMP.format(source=SOURCES + source)


def png_bytes(
    image: Image.Image,
    *,
    parameters: str,
    request: Mapping[str, Any],
    model_hash: str,
    source: str = GENERATED,
    effort: int = 6,
    check: Mapping[str, Any] | None = None,
) -> bytes:
    """A picture as PNG with its provenance.

    Args:
        image: the picture.
        parameters: from `parameters_text`.
        request: what was asked for, as plain JSON values.
        model_hash: SHA-256 of the network's weights, in hex; "" when they were never saved.
        source: GENERATED, or EDITED when the picture began as another one.
        effort: of the compression, from 0 to 9.
        check: what the replica meter found of it, as plain JSON values.
    """
    chunks = PngInfo()
    # PNG's text may hold no NUL.
    _add(chunks, PARAMETERS, parameters.replace("\0", ""))
    record = {"request": dict(request), "model_hash": model_hash} | ({"check": dict(check)} if check else {})
    _add(chunks, RECORD, json.dumps(record, ensure_ascii=False))
    chunks.add_itxt(XMP, source_xmp(source))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", pnginfo=chunks, compress_level=effort)
    return buffer.getvalue()


def write_png(
    image: Image.Image,
    path: Path,
    *,
    parameters: str,
    request: Mapping[str, Any],
    model_hash: str,
    source: str = GENERATED,
    effort: int = 6,
    check: Mapping[str, Any] | None = None,
) -> None:
    """`png_bytes` as a file, whole or not at all."""
    data = png_bytes(
        image,
        parameters=parameters,
        request=request,
        model_hash=model_hash,
        source=source,
        effort=effort,
        check=check,
    )
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def read_provenance(source: Path | bytes) -> Provenance:
    """What a PNG says about itself, whoever wrote it; PictureError when it is not a PNG."""
    text = _read_text(source)
    record = _record(text.get(RECORD, ""))
    named = _SOURCE.search(text.get(XMP, ""))
    return Provenance(
        parameters=text.get(PARAMETERS),
        request=record.get("request"),
        model_hash=record.get("model_hash"),
        source=named[1] if named else None,
        check=record.get("check"),
    )


def is_own(path: Path) -> bool:
    """Whether this program wrote the file: a picture with its request, or a figure with its mark."""
    try:
        text = _read_text(path)
    except PictureError:
        return False
    return RECORD in text or MARK.items() <= text.items()


def _read_text(source: Path | bytes) -> dict[str, str]:
    """The text in a PNG; PictureError when it is none."""
    try:
        with Image.open(
            io.BytesIO(source) if isinstance(source, bytes) else source, formats=["PNG"]
        ) as image:
            image.load()  # text may also stand after the pixels
            return {str(key): str(value) for key, value in image.info.items()}
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PictureError(f"no provenance can be read, wanted a PNG: {error}") from error


def _add(chunks: PngInfo, key: str, text: str) -> None:
    """tEXt where Latin-1 will do, as readers of `parameters` expect it; iTXt for all else."""
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        chunks.add_itxt(key, text)
    else:
        chunks.add_text(key, text)


def _record(text: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return record if isinstance(record, dict) else {}


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(sign in text for sign in ",\n:") else text


def _unquoted(text: str) -> str:
    if not (text.startswith('"') and text.endswith('"')):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
