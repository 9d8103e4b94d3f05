import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

FILM = ("film.webp", "film.png", "film.safetensors", "film.json")


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def test_filming_draws_the_same_pictures_and_keeps_every_step(
    cli: Callable, trained: Path, tmp_path: Path
) -> None:
    words = ("generate", "a red bar", "a ring", "--model", trained, "--count", 2, "--steps", 4, "--out")
    assert cli(*words, tmp_path / "plain").exit_code == 0
    result = cli(*words, tmp_path / "filmed", "--film")
    assert result.exit_code == 0, result.stderr
    assert "layout settled" in result.stderr
    stems = [path.stem for path in sorted((tmp_path / "plain").glob("*-0-*.png"))]
    assert len(stems) == 4
    for stem in stems:
        path = tmp_path / "filmed" / f"{stem}.png"
        assert np.array_equal(pixels(path), pixels(tmp_path / "plain" / path.name))
        film, sheet, data, told = (path.with_suffix(f".{ending}") for ending in FILM)
        with Image.open(film) as moving:
            assert moving.n_frames == 5  # and the end
            assert b"trainedAlgorithmicMedia" in moving.info["xmp"]
        assert Image.open(sheet).convert("RGB").width > 400
        latents = load_file(data)
        assert {name: value.shape[0] for name, value in latents.items()} == {
            "x": 4,
            "x0": 4,
            "guidance": 4,
            "last": 1,
        }
        # A sampler's last step goes to its last x0.
        assert np.allclose(latents["x0"][-1], latents["last"][0], atol=1e-5)
        numbers = json.loads(told.read_text())
        assert [step["step"] for step in numbers["by step"]] == [1, 2, 3, 4]
        assert numbers["by step"][-1]["distance"] == pytest.approx(0, abs=1e-3)
        assert set(numbers["settled"]) == {"layout", "colours"}
    curve = json.loads((tmp_path / "filmed" / "film-curve.json").read_text())
    assert len(curve) == 4
    listed = {Path(line).name for line in result.stdout.split("\n") if line}
    assert listed == {path.name for path in (tmp_path / "filmed").iterdir()}


@pytest.mark.parametrize(
    "more",
    [
        ("--steps", 1),
        ("--guidance", 1),
        ("--sampler", "heun"),
        ("--image", "IMAGE", "--strength", 0.4),
        ("--image", "IMAGE", "--mask", "MASK"),
    ],
)
def test_whatever_is_drawn_can_be_filmed(
    more: tuple, cli: Callable, trained: Path, shapes: Path, tmp_path: Path
) -> None:
    mask = Image.new("L", (48, 40))
    mask.paste(255, (0, 0, 24, 40))
    mask.save(tmp_path / "mask.png")
    given = {"IMAGE": shapes / "red-bar.png", "MASK": tmp_path / "mask.png"}
    out = tmp_path / "one.png"
    words = [given.get(word, word) for word in more]
    for _ in range(2):  # and again, over the first
        result = cli("generate", "a red bar", "--model", trained, "--film", "--out", out, *words)
        assert result.exit_code == 0, result.stderr
    numbers = json.loads(out.with_suffix(".film.json").read_text())
    guided = [step["guidance"] is not None for step in numbers["by step"]]
    assert set(guided) == {"--guidance" not in more}
    assert out.with_suffix(".film-curve.png").is_file()
    if "--mask" in more:
        unfilmed = tmp_path / "unfilmed.png"
        assert cli("generate", "a red bar", "--model", trained, "--out", unfilmed, *words).exit_code == 0
        assert np.array_equal(pixels(out), pixels(unfilmed))


def test_a_film_does_not_replace_what_is_not_ours(
    cli: Callable, trained: Path, shapes: Path, tmp_path: Path
) -> None:
    (tmp_path / "one.film.png").write_bytes((shapes / "red-bar.png").read_bytes())
    result = cli("generate", "x", "--model", trained, "--film", "--out", tmp_path / "one.png")
    assert result.exit_code == 2
    assert "one.film.png is there already" in result.stderr
    assert not (tmp_path / "one.png").exists()
