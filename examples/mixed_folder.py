"""Make a folder of some hundreds of mixed pictures with captions, as people have them, to try a training on.

    python examples/mixed_folder.py mixed && rhinoise train mixed --out runs/mixed

Photographs (crops of the two that scikit-learn ships), clip art (OpenMoji, with transparency) and letters;
PNG, JPEG, WebP and GIF; modes RGB, RGBA, LA, P and L; many sizes; captioned by sidecars and metadata.csv; and
a few files that are not what they seem.
"""

import csv
import random
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_sample_images

from rhinoise.data.emoji import open_emoji

PHOTOGRAPHS = {0: "a photograph of a chinese temple", 1: "a photograph of a red flower"}
PLACES = ("left", "middle", "right")
COLOURS = {"red": (200, 30, 30), "green": (20, 140, 60), "blue": (30, 60, 200), "black": (0, 0, 0)}
CLIP_ART = 160


def photographs(folder: Path, chance: random.Random) -> None:
    """Crops of two photographs, captioned by sidecars."""
    for number, pixels in enumerate(load_sample_images().images):
        whole = Image.fromarray(pixels)
        for index in range(60):
            side = chance.randint(180, 420)
            left, top = chance.randint(0, whole.width - side), chance.randint(0, whole.height - side)
            place = PLACES[min(2, 3 * left // (whole.width - side + 1))]
            name = folder / f"photo {number} {index}"
            whole.crop((left, top, left + side, top + chance.randint(side // 2, side))).save(
                name.with_suffix((".jpg", ".webp")[index % 2])
            )
            name.with_suffix(".txt").write_text(f"{PHOTOGRAPHS[number]}, {place}\n", encoding="utf-8")


def clip_art(folder: Path, chance: random.Random) -> None:
    """Drawings with transparency, captioned by metadata.csv."""
    emoji = open_emoji()
    chosen = chance.sample(
        [i for i, e in enumerate(emoji.examples) if e.tags["style"] == "openmoji"], CLIP_ART
    )
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["file_name", "text"])
        for number, index in enumerate(chosen):
            picture = emoji.picture(index, chance.choice((72, 100, 256))).convert("RGBA")
            white = Image.new("L", picture.size, 255)
            picture.putalpha(Image.composite(Image.new("L", picture.size, 0), white, _is_white(picture)))
            name = f"clip{number:03d}" + (".gif" if number % 3 == 0 else ".png")
            picture.convert(("P", "RGBA", "LA")[number % 3]).save(folder / name)
            rows.writerow([name, emoji.examples[index].captions[0].replace(", openmoji style", ", clip art")])
        rows.writerow(["not there.png", "a picture that is missing"])


def _is_white(picture: Image.Image) -> Image.Image:
    return picture.convert("L").point(lambda value: 255 if value > 250 else 0)


def letters(folder: Path) -> None:
    """Every letter in four colours, captioned by sidecars."""
    font = ImageFont.load_default(80)
    for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ":
        for name, colour in COLOURS.items():
            picture = Image.new("RGB", (120, 90), "white")
            ImageDraw.Draw(picture).text((60, 45), letter, colour, font=font, anchor="mm")
            file = folder / f"letter-{letter}-{name}.png"
            picture.convert("L" if name == "black" else "RGB").save(file)
            file.with_suffix(".caption").write_text(f"the {name} letter {letter}", encoding="utf-8")


def odd_ones(folder: Path) -> None:
    """What every real folder holds."""
    (folder / "notes.png").write_text("not a picture", encoding="utf-8")
    (folder / "notes.txt").write_text("a text file", encoding="utf-8")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "empty.txt").write_text("nothing", encoding="utf-8")
    (folder / "silent.png").write_bytes((folder / "letters" / "letter-A-red.png").read_bytes())
    (folder / "silent.txt").write_text("", encoding="utf-8")


if __name__ == "__main__":
    root, chance = Path(sys.argv[1]), random.Random(0)
    for part in ("photographs", "clip art", "letters"):
        (root / part).mkdir(parents=True)
    photographs(root / "photographs", chance)
    clip_art(root / "clip art", chance)
    letters(root / "letters")
    odd_ones(root)
