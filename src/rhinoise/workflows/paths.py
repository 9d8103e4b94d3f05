"""Paths that a person gives: opened, or refused in a sentence that names what was probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from PIL import Image, ImageChops

from rhinoise.core.backend import Precision
from rhinoise.core.errors import ConfigError, ModelFolderError, PictureError, RunFolderError, UnknownNameError
from rhinoise.core.images import FORMATS, WHITE, Colour, Fit, open_picture, square
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.storage.bundled import BUNDLED, model_folder
from rhinoise.storage.provenance import is_own
from rhinoise.storage.run_folder import RunFolder
from rhinoise.workflows.opened import opened

BLACK = (0, 0, 0)
OTHER_ENDINGS = {f".{name.lower()}" for name in (*FORMATS, "JPG", "TIF")} - {".png"}


def open_model(folder: Path | str, precision: str = "auto", *, few_steps: bool = False) -> LatentDiffusion:
    """The model of a run, of a model folder, or "bundled"; with `few_steps` the one distilled from it.

    Raises:
        ModelFolderError: there is none; a run that has not come so far is told how to go on.
        UnknownNameError: `precision` is not one.
    """
    known: Precision = one_of(Precision, "precision", precision)
    place = find_model(folder)
    return opened(_few_steps(place) if few_steps else place, known)


def find_model(name: Path | str) -> Path:
    """The run or model folder that `name` means; ModelFolderError when it is none that could be opened."""
    folder = model_folder(name)
    if not folder.is_dir():
        raise ModelFolderError(
            f"{_missing(folder, 'model folder', BUNDLED)} (wanted a run of `rhinoise train`, a model folder, "
            f"or {BUNDLED})"
        )
    run = RunFolder(folder)
    if (folder / "recipe.json").is_file() and not run.model.is_dir():
        source = run.record()["source"]
        raise ModelFolderError(
            f"the run {folder} has no model yet: train it first, with the command that it was begun with "
            f"(rhinoise train {source} --out {folder} ...)"
        )
    return folder


def _few_steps(folder: Path) -> Path:
    run = RunFolder(folder)
    if not run.few_steps.is_dir():
        remedy = f"with rhinoise distil {folder}" if run.model.is_dir() else "from the run that it came from"
        raise ModelFolderError(
            f"{folder} has no model for few steps: make one {remedy}, or leave --few-steps out"
        )
    return run.few_steps


def read_picture(path: Path, background: Colour = WHITE) -> Image.Image:
    """A whole RGB picture, transparency on the background; PictureError when there is none."""
    _exists(path)
    return open_picture(path, background)


def read_mask(path: Path) -> tuple[Image.Image, str]:
    """A mask as a grey picture, white where to draw, and which part of the file said so, in words.

    Where the file has any transparency, that is the mask, as image editors leave it: transparent is where to
    draw. Else its brightness is: white is where to draw.
    """
    _exists(path)
    on_white, on_black = open_picture(path, WHITE), open_picture(path, BLACK)
    # A background shows exactly as far as the picture is transparent.
    transparency = ImageChops.difference(on_white, on_black).convert("L")
    if transparency.getextrema() != (0, 0):
        return transparency, "transparent"
    return on_white.convert("L"), "white"


def squared(image: Image.Image, size: int, fit: str, background: Colour = WHITE) -> Image.Image:
    """`core.images.square`, or UnknownNameError when `fit` is no way to make a picture square."""
    return square(image, size, one_of(Fit, "fit", fit), background)


def one_of(names: Any, kind: str, name: str) -> Any:
    """`name` as one of the names of a Literal type; UnknownNameError when it is none of that kind."""
    if name not in get_args(names):
        raise UnknownNameError(kind, name, get_args(names))
    return name


def output_folder(out: Path) -> Path:
    """A folder to write to; RunFolderError when a file is in its place."""
    if out.exists() and not out.is_dir():
        raise RunFolderError(f"--out {out} is a file, wanted a folder: choose another name")
    if out.suffix.lower() in OTHER_ENDINGS | {".png"} and not out.is_dir():
        raise ConfigError(f"--out {out} is named like a picture, wanted a folder: {out.with_suffix('')}")
    return out


def output_picture(out: Path) -> Path:
    """A picture file to write; RunFolderError when a folder is in its place, ConfigError when not PNG."""
    return _output_file(out, "picture.png", "pictures are written as PNG")


def output_page(out: Path, name: str, what: str) -> Path:
    """A page to write, `what` it is in words and its usual `name`; likewise for HTML."""
    return _output_file(out, name, f"{what} is written as HTML")


def _output_file(out: Path, name: str, kind: str) -> Path:
    ending = Path(name).suffix
    if out.is_dir():
        raise RunFolderError(f"--out {out} is a folder, wanted a file: {out / name}")
    if out.suffix.lower() != ending:
        raise ConfigError(f"{kind}: --out {out.with_suffix(ending)}, not {out}")
    return out


def check_targets(targets: Iterable[Path], *inputs: Path | None) -> None:
    """ConfigError where writing would replace an input, or a file that this program did not write."""
    read = {path.resolve() for path in inputs if path is not None}
    for target in targets:
        if target.resolve() in read:
            raise ConfigError(f"{target} is to be read and may not be overwritten: choose another --out")
        if target.exists() and not is_own(target):
            raise ConfigError(f"{target} is there already, and not from rhinoise: choose another --out")


def _exists(path: Path) -> None:
    if not path.exists():
        raise PictureError(_missing(path, "picture"))


def _missing(path: Path, what: str, *others: str) -> str:
    """That there is no such thing, and the nearest of what lies beside it and of `others`."""
    beside = path.parent.iterdir() if path.parent.is_dir() else ()
    known = {other: other for other in others} | {found.name: str(found) for found in beside}
    near = get_close_matches(path.name, known, n=1, cutoff=0.5)
    hint = f"did you mean {known[near[0]]}?" if near else f"look into {path.parent.resolve()}"
    return f"there is no {what} {path}: {hint}"
