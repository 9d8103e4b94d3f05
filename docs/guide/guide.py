"""What keeps the guide true: its figures are drawn by the commands that it shows, its numbers read from them.

    python docs/guide/guide.py             draw every figure again (`make docs`)
    python docs/guide/guide.py 1-forward   those of one chapter

A chapter is text, figures and commands. A block of `sh` draws the figures and numbers that are linked above
it (back to the block before). Commands run in docs/guide and write to drawn/, which is not kept. What a
chapter links is made small and goes to figures/ under the same name. figures/made.json says which command
and which model each file came from.
"""

import io
import json
import math
import os
import re
import shlex
import shutil
import sys
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from rhinoise.core.files import replacing, sha256, write_json

GUIDE = Path(__file__).parent
FIGURES, DRAWN, PICTURES = GUIDE / "figures", GUIDE / "drawn", GUIDE / "pictures"
MADE = FIGURES / "made.json"
MODEL = GUIDE.parents[1] / "src/rhinoise/bundled/rhinoise.json"

WIDTHS = (1200, 1000, 800)
"""Pixels across, at most; the first with which a figure takes no more than BYTES is taken."""
BYTES, COLOURS = 150_000, 256
"""Where all colours take more, so many are kept."""
DIGITS = 6
"""Significant ones of numbers that are kept: further ones differ between processors."""

_BLOCK = re.compile(r"```sh\n(rhinoise .*?)\n```", re.DOTALL)
_LINK = re.compile(r"\]\(figures/([^)]+)\)")


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A command, and the files under figures/ that it draws."""

    command: str
    files: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """The command's arguments, without its name."""
        return shlex.split(self.command.replace("\\\n", " "))[1:]


@dataclass(frozen=True, kw_only=True)
class Shot:
    """A figure that is a page in a browser: parts of it side by side, each after a script was run."""

    parts: Sequence[tuple[str, str, str]]
    """A script, what of the page is shown (a CSS selector), and an expression: what is written under it."""
    page: str = "atlas.html"
    width: int = 700
    scale: int = 1
    """The page's pixels, and of these how many each becomes; the page draws its points in one size."""


PLAIN = "walks.ends = []; "
"""Without the rings of the walks."""
STYLES = "get('kind').value = Object.keys(atlas.labels).indexOf('style'); get('kind').onchange(); "
FEATURES = "get('cloud').value = 1; get('cloud').onchange(); "
NEARER = "eye.zoom = 2.2; "
LIT = (
    "get('form').value = 'pictures'; get('form').onchange({{target: get('form')}}); "
    "get('word').value = '{}'; get('word').oninput({{target: get('word')}}); "
)
LEGEND = "`${view.cloud.name}: blue ${kind().names[0]}, orange ${kind().names[1]}`"
SHOTS = {
    "atlas-style.png": Shot(
        parts=[(PLAIN + STYLES, ".stage", LEGEND), (PLAIN + STYLES + FEATURES, ".stage", LEGEND)]
    ),
    "atlas-words.png": Shot(
        parts=[
            (PLAIN + NEARER + LIT.format(word), ".stage", "`“${view.word}”: ${get('found').textContent}`")
            for word in ("rhinoceros", "chair")
        ]
    ),
    "atlas-neighbours.png": Shot(parts=[("", "figure svg.drawing", "")], scale=2),
    "atlas-walk.png": Shot(
        parts=[("choose(walks.ends[0]); choose(walks.ends[1])", "#way .walk", "")], width=1280
    ),
}
"""Figures of the atlas, which is a page: what to press, and what to show."""


def chapters() -> list[Path]:
    """The chapters, in order."""
    return sorted(GUIDE.glob("[0-9]-*.md"))


def drawings(chapter: Path) -> list[Drawing]:
    """What a chapter's commands draw; a command that is shown twice runs once."""
    text, before = chapter.read_text(encoding="utf-8"), 0
    files: dict[str, list[str]] = {}
    for block in _BLOCK.finditer(text):
        files.setdefault(block[1], []).extend(_LINK.findall(text[before : block.start()]))
        before = block.end()
    return [Drawing(command=command, files=tuple(dict.fromkeys(own))) for command, own in files.items()]


def numbers(name: str) -> Any:
    """The numbers of a figure: those that its command wrote."""
    return json.loads((FIGURES / f"{name}.json").read_text(encoding="utf-8"))


def made() -> dict[str, Any]:
    """What `make docs` made: command => its model, its seconds of a processor core, and its files."""
    return dict(json.loads(MADE.read_text(encoding="utf-8"))) if MADE.exists() else {}


def paragraph(text: str) -> str:
    """Text in lines, as the chapters have them; for the blocks that write the numbers into them."""
    return textwrap.fill(" ".join(text.split()), width=110, break_long_words=False, break_on_hyphens=False)


def decibels(value: float) -> str:
    """ "−3 dB"."""
    return f"{value:.0f} dB".replace("-0 ", "0 ").replace("-", "−")


def facts(*path: str) -> Any:
    """What the bundled model says of itself."""
    found = json.loads(MODEL.read_text(encoding="utf-8"))["facts"]
    for name in path:
        found = found[name]
    return found


def marks(title: str, row: str) -> list[str]:
    """A row of the bundled model's own scores, as its model card has them."""
    (rows,) = [table["rows"] for table in facts("scores") if table["title"].startswith(title)]
    (values,) = [values for name, *values in rows if name.strip() == row]
    return values


def model_hash() -> str:
    """Which bundled model is here."""
    return str(json.loads(MODEL.read_text(encoding="utf-8"))["hash"])


def draw(drawing: Drawing) -> dict[str, Any]:
    """Run a command and keep what it drew; its record for MADE, with seconds of a processor core."""
    from rhinoise.cli import app

    before = time.process_time()
    if refused := app(drawing.words, standalone_mode=False):
        raise SystemExit(refused)
    seconds = math.ceil(time.process_time() - before)
    for name in drawing.files:
        keep(name)
    files = {name: sha256(FIGURES / name) for name in drawing.files}
    return {"model": model_hash(), "seconds": seconds, "files": files}


def keep(name: str) -> None:
    """Take a file from DRAWN to FIGURES: a picture made small, numbers rounded, a figure of a page taken."""
    if name in SHOTS:
        _photographed(SHOTS[name], DRAWN / name)
    FIGURES.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".png"):
        with replacing(FIGURES / name) as temporary:
            temporary.write_bytes(_small(Image.open(DRAWN / name)))
    else:
        write_json(FIGURES / name, rounded(json.loads((DRAWN / name).read_text(encoding="utf-8"))))


def rounded(value: Any) -> Any:
    """JSON with DIGITS digits a number."""
    match value:
        case float():
            return float(f"{value:.{DIGITS}g}")
        case list():
            return [rounded(one) for one in value]
        case dict():
            return {key: rounded(one) for key, one in value.items()}
    return value


def _small(image: Image.Image) -> bytes:
    """A picture as PNG of at most BYTES, or as near as WIDTHS go; it still says where it comes from."""
    about = PngInfo()
    for key, text in getattr(image, "text", {}).items():
        about.add_itxt(key, text)
    image = image.convert("RGB")
    for width in (width for width in WIDTHS if width <= max(image.width, min(WIDTHS))):
        size = (width, round(image.height * width / image.width)) if width < image.width else image.size
        scaled = image.resize(size, Image.Resampling.LANCZOS)
        few = scaled.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        for version in (scaled, few):
            file = io.BytesIO()
            version.save(file, "PNG", optimize=True, pnginfo=about)
            if file.tell() <= BYTES:
                return file.getvalue()
    return file.getvalue()


def _photographed(shot: Shot, path: Path) -> None:
    """Take a figure of a page."""
    from playwright.sync_api import sync_playwright

    from rhinoise.core.images import grid
    from rhinoise.storage.provenance import MARK

    parts, labels = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for script, shown, label in shot.parts:
            view = {"width": shot.width, "height": 900}
            page = browser.new_page(viewport=view, device_scale_factor=shot.scale, color_scheme="light")
            page.goto((DRAWN / shot.page).as_uri())
            page.wait_for_function("small !== null")
            page.evaluate(script)
            page.evaluate("paint()")
            parts.append(Image.open(io.BytesIO(page.locator(shown).first.screenshot())).convert("RGB"))
            labels.append(page.evaluate(label or "''"))
            page.close()
        browser.close()
    about = PngInfo()
    about.add_itxt(*next(iter(MARK.items())))
    grid(parts, len(parts), labels if any(labels) else None).save(path, pnginfo=about)


def pictures() -> None:
    """The two pictures that the commands read, from packages that are installed."""
    from importlib.resources import files

    from rhinoise.core.images import square
    from rhinoise.data.emoji import open_emoji

    emoji = open_emoji()
    (index,) = [i for i, one in enumerate(emoji.examples) if one.captions[0] == "rhinoceros, twemoji style"]
    emoji.picture(index, 128).save(PICTURES / "rhinoceros.png", optimize=True)
    with (files("sklearn.datasets") / "images/china.jpg").open("rb") as file:
        square(Image.open(file), 256, "crop").save(PICTURES / "temple.jpg", quality=90)


def main(names: Sequence[str]) -> None:
    """Draw what the chapters show, or those of them that are named."""
    pictures()
    os.chdir(GUIDE)
    records = made()
    every = [drawing for chapter in chapters() for drawing in drawings(chapter)]
    chosen = [d for chapter in chapters() if not names or chapter.stem in names for d in drawings(chapter)]
    for drawing in chosen:
        print(drawing.command, flush=True)
        records[drawing.command] = draw(drawing)
        # Kept after each: a long way may be stopped.
        write_json(MADE, {one.command: records[one.command] for one in every if one.command in records})
    kept = {MADE, *(FIGURES / name for drawing in every for name in drawing.files)}
    for file in FIGURES.rglob("*"):
        if file.is_file() and file not in kept:
            file.unlink()


if __name__ == "__main__":
    main(sys.argv[1:])
