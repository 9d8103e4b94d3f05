"""What tests of several parts share: one tiny model, trained by the command line, and a browser."""

import csv
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from PIL import Image, ImageDraw
from typer.testing import CliRunner

# With a process for every core (see addopts), more threads than one would wait for each other; and sums
# come out the same on any number of cores. Said before torch is imported, to what tests start too.
os.environ["OMP_NUM_THREADS"] = "1"

# A slow machine is no fault of the code's.
hypothesis_settings.register_profile("patient", deadline=None)
hypothesis_settings.load_profile("patient")

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

COLOURS = ("red", "green", "blue", "orange")
BOX = (8, 6, 38, 34)
SHAPES: dict[str, Callable[[ImageDraw.ImageDraw, str], None]] = {
    "circle": lambda draw, colour: draw.ellipse(BOX, fill=colour),
    "square": lambda draw, colour: draw.rectangle(BOX, fill=colour),
    "triangle": lambda draw, colour: draw.polygon([(8, 34), (38, 34), (23, 6)], fill=colour),
    "ring": lambda draw, colour: draw.ellipse(BOX, outline=colour, width=6),
    "bar": lambda draw, colour: draw.rectangle((8, 16, 38, 24), fill=colour),
    "slash": lambda draw, colour: draw.line(BOX, fill=colour, width=6),
}


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 captioned pictures of 48 x 40 pixels: six shapes in four colours."""
    folder = tmp_path_factory.mktemp("shapes")
    rows = []
    for colour in COLOURS:
        for shape, drawn in SHAPES.items():
            image = Image.new("RGB", (48, 40), "white")
            drawn(ImageDraw.Draw(image), colour)
            name = f"{colour}-{shape}.png"
            image.save(folder / name)
            rows.append((name, f"a {colour} {shape}"))
    with (folder / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file_name", "text"), *rows])
    return folder


@pytest.fixture(scope="session")
def tiny() -> list[str]:
    """What makes `rhinoise train` a matter of seconds."""
    settings = {
        "network.sample_size": 4,
        "network.fine_width": 16,
        "network.fine_blocks": 1,
        "network.width": 16,
        "network.depth": 1,
        "network.heads": 2,
        "network.text_width": 16,
        "network.pooled_width": 16,
        "text.width": 16,
        "text.layers": 1,
        "text.heads": 2,
        "text.vocabulary": 600,
        "contrastive.channels": 8,
        "contrastive.shared": 8,
        "autoencoder.width": 8,
        "autoencoder.blocks": 1,
        "fit_autoencoder.batch": 8,
        "fit_text.batch": 8,
        "fit_denoiser.batch": 8,
        "sampling.steps": 2,
    }
    assignments = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    return ["--recipe", "lean", "--size", "16", *assignments]


@pytest.fixture(scope="session")
def cli() -> Callable[..., object]:
    """The command line in this process: words => its exit code, stdout and stderr."""
    from rhinoise.cli import app

    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="session")
def trained(cli: Callable, shapes: Path, tiny: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `rhinoise train`, with a model that has seen 160 pictures. Tests only read it."""
    run = tmp_path_factory.mktemp("runs") / "shapes"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RHINOISE_CACHE", str(tmp_path_factory.mktemp("cache")))
        result = cli("train", shapes, "--out", run, "--images", 160, *tiny)
    assert result.exit_code == 0, result.stderr
    return run


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real chromium; without one, what asks for it is skipped."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium here")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()
