from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from rhinoise.core.images import square, to_pil
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.pipeline.request import GenerateRequest
from rhinoise.storage.provenance import EDITED, GENERATED, parse_parameters, read_provenance

ONE_BYTE = 1
"""What batches of other sizes may move a picture by, in its last bit before rounding."""


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    """White on the left half, twice as large as the pictures."""
    image = Image.new("L", (96, 80))
    ImageDraw.Draw(image).rectangle((0, 0, 47, 79), fill=255)
    image.save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


def test_every_picture_is_written_and_several_have_a_sheet(
    cli: Callable, trained: Path, tmp_path: Path
) -> None:
    result = cli(
        "generate", "a red circle", "A red, circle!", "-", "--model", trained, "--count", 2, "--out", tmp_path
    )
    assert result.exit_code == 0, result.stderr
    names = [f"{stem}-0-0{i}.png" for stem in ("a-red-circle", "a-red-circle-2", "picture") for i in range(2)]
    assert [Path(line).name for line in result.stdout.splitlines()] == [*names, "grid.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, "grid.png"])
    assert all(pixels(tmp_path / name).shape == (16, 16, 3) for name in names)
    assert read_provenance(tmp_path / "grid.png").source == GENERATED
    assert "seed 0" in result.stderr


def test_one_seed_is_one_picture_whatever_the_count(cli: Callable, trained: Path, tmp_path: Path) -> None:
    for count in (1, 3, 17):  # 17 are more than one batch
        words = ("a blue ring", "--model", trained, "--seed", 5, "--sampler", "dpmpp_2m_sde")
        result = cli("generate", *words, "--count", count, "--out", tmp_path / f"{count}")
        assert result.exit_code == 0, result.stderr
    name = "a-blue-ring-5-00.png"
    one, three, many = (pixels(tmp_path / f"{count}" / name) for count in (1, 3, 17))
    assert abs(one - three).max() <= ONE_BYTE
    assert abs(one - many).max() <= ONE_BYTE
    assert abs(one - pixels(tmp_path / "3" / "a-blue-ring-5-01.png")).max() > 10


def test_a_picture_says_how_it_was_made_well_enough_to_make_it_again(
    cli: Callable, trained: Path, tmp_path: Path
) -> None:
    words = ("a red bar", "--negative", "blue, green", "--guidance", 2, "--steps", 3, "--sampler", "heun")
    words += ("--guidance-interval", 0.1, 0.9, "--guidance-rescale", 0.5)
    cli("generate", *words, "--seed", 7, "--count", 2, "--model", trained, "--out", tmp_path)
    path = tmp_path / "a-red-bar-7-01.png"
    told = read_provenance(path)
    assert (told.request["guidance_interval"], told.request["guidance_rescale"]) == ([0.1, 0.9], 0.5)
    model = LatentDiffusion.load(trained)
    assert told.model_hash == model.facts["hash"]
    assert told.source == GENERATED
    parameters = parse_parameters(told.parameters)
    assert (parameters.prompt, parameters.negative) == ("a red bar", "blue, green")
    wanted = {"Steps": "3", "Sampler": "heun", "CFG scale": "2.0", "Seed": "7", "Size": "16x16"}
    assert wanted.items() <= parameters.settings.items()
    assert told.model_hash.startswith(parameters.settings["Model hash"])
    fields = {
        name: tuple(value) if isinstance(value, list) else value for name, value in told.request.items()
    }
    again = to_pil(model.generate(GenerateRequest(**fields)))[0]
    assert abs(np.asarray(again).astype(int) - pixels(path)).max() <= ONE_BYTE


def test_a_picture_to_start_from_shows_through_and_is_named(
    cli: Callable, trained: Path, shapes: Path, tmp_path: Path
) -> None:
    source = shapes / "red-circle.png"
    start = np.asarray(square(Image.open(source), 16)).astype(int)
    distance = {}
    for strength in (0.1, 0.9):
        out = tmp_path / f"{strength}.png"
        words = ("--image", source, "--strength", strength, "--out", out)
        assert cli("generate", "a red circle", "--model", trained, *words).exit_code == 0
        distance[strength] = abs(pixels(out) - start).mean()
        told = read_provenance(out)
        assert told.source == EDITED
        assert told.request["image"] == "red-circle.png"
        assert parse_parameters(told.parameters).settings["Denoising strength"] == str(strength)
    assert distance[0.1] < distance[0.9]


def test_outside_a_mask_pasted_pixels_are_the_pictures_own(
    cli: Callable, trained: Path, shapes: Path, mask: Path, tmp_path: Path
) -> None:
    source, out = shapes / "red-square.png", tmp_path / "out.png"
    words = ("--image", source, "--mask", mask, "--paste", "--fit", "crop", "--out", out)
    result = cli("generate", "a blue ring", "--model", trained, *words)
    assert result.exit_code == 0, result.stderr
    assert "the mask is 96 x 80 pixels, the picture 48 x 40" in result.stderr
    assert "white in the mask, 50% of the picture" in result.stderr
    before, after = np.asarray(square(Image.open(source), 16, "crop")).astype(int), pixels(out)
    kept, drawn = slice(10, None), slice(0, 7)
    assert np.array_equal(after[:, kept], before[:, kept])
    assert abs(after[:, drawn] - before[:, drawn]).mean() > 5


def test_transparency_is_a_mask_too(cli: Callable, trained: Path, shapes: Path, tmp_path: Path) -> None:
    source, hole, out = shapes / "red-square.png", tmp_path / "hole.png", tmp_path / "out.png"
    image = Image.open(source).convert("RGBA")
    ImageDraw.Draw(image).rectangle((0, 0, 23, 39), fill=(0, 0, 0, 0))
    image.save(hole)
    words = ("--image", source, "--mask", hole, "--paste", "--fit", "crop", "--out", out)
    result = cli("generate", "a blue ring", "--model", trained, *words)
    assert result.exit_code == 0, result.stderr
    assert "transparent in the mask, 50% of the picture" in result.stderr
    before, after = np.asarray(square(Image.open(source), 16, "crop")).astype(int), pixels(out)
    assert np.array_equal(after[:, 10:], before[:, 10:])
    assert abs(after[:, :7] - before[:, :7]).mean() > 5
