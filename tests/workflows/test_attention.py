import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from rhinoise.core.config import to_json
from rhinoise.diffusion.schedules import ScheduleConfig
from rhinoise.nets.autoencoder import IdentityAutoencoder, IdentityConfig
from rhinoise.nets.text import TextConfig, TextEncoder
from rhinoise.nets.unet import UNet, UNetConfig
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.pipeline.request import SamplingConfig
from rhinoise.storage.bundle import Bundle


@pytest.fixture(scope="module")
def looking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("looking"), attention=True)


def folder(out: Path, *, attention: bool) -> Path:
    """A tiny pixel-space U-Net, that looks at words or does not."""
    torch.manual_seed(0)
    config = UNetConfig(
        sample_size=8,
        in_channels=3,
        out_channels=3,
        block_out_channels=(8, 8),
        attention=(False, attention),
        mid_attention=attention,
        heads=(1, 1),
        transformer_layers=(1, 1),
        cross_attention_dim=16,
        layers_per_block=1,
        norm_num_groups=4,
    )
    text = TextConfig(width=16, layers=1, heads=2, context=8, vocabulary=600)
    sampling = SamplingConfig(sampler="dpmpp_2m", spacing="uniform", steps=2, guidance=2.0)
    parts = Bundle(
        autoencoder=IdentityAutoencoder(IdentityConfig()),
        text_encoder=TextEncoder.create(["a red heart", "a blue star"] * 2, text, seed=0),
        network=UNet(config),
        predicts="flow",
        schedule=ScheduleConfig(name="flow"),
        facts={"size": 8, "sampling": to_json(sampling)},
    )
    LatentDiffusion.of(parts, precision="fp32", device=torch.device("cpu")).save(out)
    return out


def test_the_files_agree_with_each_other_and_with_generate(
    cli: Callable, looking: Path, tmp_path: Path
) -> None:
    words = ("--model", looking, "--seed", 4, "--out")
    result = cli("attention", "a red heart, a star", *words, tmp_path / "seen")
    assert result.exit_code == 0, result.stderr
    names = ("a", "red", "heart", "a-2", "star")
    files = {f"{kind}-{name}.png" for kind in ("overlay", "without") for name in names}
    files |= {"picture.png", "attention.png", "steps.png", "attention.json", "attention.safetensors"}
    assert {path.name for path in (tmp_path / "seen").iterdir()} == files
    assert {Path(line).name for line in result.stdout.split()} == files

    def pixels(path: Path) -> np.ndarray:
        return np.asarray(Image.open(path)).astype(float)

    for prompt, file in (("a red heart, a star", "picture"), ("a heart, a star", "without-red")):
        assert cli("generate", prompt, *words, tmp_path / f"{file}.png").exit_code == 0
        assert (pixels(tmp_path / f"{file}.png") == pixels(tmp_path / "seen" / f"{file}.png")).all()

    told = json.loads((tmp_path / "seen" / "attention.json").read_text())
    assert [word["word"] for word in told["words"]] == ["a", "red", "heart", ",", "a (2)", "star"]
    assert told["words"][3]["without"] is None  # punctuation
    red = told["words"][1]
    difference = pixels(tmp_path / "seen" / "picture.png") - pixels(tmp_path / "seen" / "without-red.png")
    assert red["without"]["prompt"] == "a heart, a star"
    assert red["without"]["rms"] == pytest.approx(np.sqrt((difference**2).mean()), abs=0.7)
    tensors = load_file(tmp_path / "seen" / "attention.safetensors")
    assert tensors["maps"].shape == (2, 6, 4, 4)
    assert tensors["changes"].shape == (5, 8, 8)
    assert tensors["maps"][:, 1].mean().item() == pytest.approx(red["share"], rel=1e-4)
    again = cli("attention", "a red heart, a star", *words, tmp_path / "seen")
    assert again.exit_code == 0, again.stderr


@pytest.mark.parametrize("prompt", ["", "  ", "?!,"])
def test_a_prompt_without_words_is_refused(prompt: str, cli: Callable, tmp_path: Path) -> None:
    result = cli("attention", prompt, "--model", tmp_path / "none", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "there is no word to look at" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_long_prompt_says_what_is_cut(cli: Callable, looking: Path, tmp_path: Path) -> None:
    prompt = "a red heart, a blue star beside them"
    result = cli("attention", prompt, "--model", looking, "--steps", 1, "--out", tmp_path)
    assert result.exit_code == 0, result.stderr
    assert "this model reads 8 tokens, start and end among them: “star beside them” is cut" in result.stderr
    assert json.loads((tmp_path / "attention.json").read_text())["cut"] == " star beside them"


def test_a_word_in_pieces_is_told_and_one_too_long_refused(
    cli: Callable, looking: Path, tmp_path: Path
) -> None:
    words = ("--model", looking, "--steps", 1, "--out", tmp_path)
    result = cli("attention", "a 🦏", *words)
    assert result.exit_code == 0, result.stderr
    assert "“🦏” in 4" in result.stderr
    result = cli("attention", "donaudampfschifffahrt", *words)
    assert result.exit_code == 2
    assert "more pieces than the 8 tokens" in result.stderr


def test_a_model_that_does_not_look_at_words_is_refused(cli: Callable, tmp_path: Path) -> None:
    blind = folder(tmp_path / "blind", attention=False)
    result = cli("attention", "a red heart", "--model", blind, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "no attention to words" in result.stderr
    assert not (tmp_path / "out").exists()
