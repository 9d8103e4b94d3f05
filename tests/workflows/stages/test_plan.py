"""A training that could not end well is refused before it begins, and the refusal says what to do."""

import re
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rhinoise.core.config import overridden, override
from rhinoise.core.errors import (
    ConfigError,
    DataError,
    DiskFullError,
    PlanError,
    RhinoiseError,
    RunFolderError,
    UnknownNameError,
)
from rhinoise.data.latents import centre
from rhinoise.diffusion.predictions import PREDICTIONS
from rhinoise.diffusion.schedules import SCHEDULES, ScheduleConfig
from rhinoise.nets.autoencoder import IdentityAutoencoder, IdentityConfig
from rhinoise.recipes import Recipe
from rhinoise.recipes.recipe import check_size
from rhinoise.storage.schedulers import to_diffusers
from rhinoise.workflows.stages.build import build, build_text_encoder
from rhinoise.workflows.stages.plan import (
    check_latents,
    check_losses,
    check_prediction,
    check_shapes,
    check_text,
    steps_for,
)
from rhinoise.workflows.train import TrainRequest, train


def check(recipe: Recipe) -> None:
    """All that can be known before a picture is read."""
    check_prediction(recipe)
    check_losses(recipe)
    check_shapes(recipe, build(recipe.autoencoder, seed=0))
    check_text(recipe, build_text_encoder(recipe.text, ["a rhinoceros"], seed=0))


def refused(recipe: Recipe, error: type[RhinoiseError] = PlanError) -> str:
    with pytest.raises(error) as caught:
        check(recipe)
    assert "\n" not in str(caught.value)
    return str(caught.value)


WRONG = {
    "channels": "network.channels=5",
    "latent size": "network.sample_size=8",
    "text width": "network.text_width=24",
    "pooled width": "network.pooled_width=24",
    "discriminator's start": "losses.adversarial_start=1.0",
    "no discriminator": "discriminator=null",
    "prediction": "prediction=v",
    "epsilon where there is nothing but noise": "prediction=epsilon",
}
WRONG_UNET = {
    "channels": "network.in_channels=3",
    "channels that come out": "network.out_channels=3",
    "latent size": "network.sample_size=4",
    "text width": "network.cross_attention_dim=24",
}
DISCRIMINATOR = 'discriminator={"kind": "DiscriminatorConfig", "channels": 8, "layers": 1}'


@pytest.mark.parametrize(
    ("which", "setting"),
    [("lean", setting) for setting in WRONG.values()]
    + [("stock", setting) for setting in WRONG_UNET.values()],
)
def test_the_remedy_that_is_named_is_one(request: pytest.FixtureRequest, which: str, setting: str) -> None:
    recipe = override(request.getfixturevalue(which), DISCRIMINATOR)
    recipe = override(recipe, "losses.adversarial=0.1")
    check(recipe)
    recipe = override(recipe, setting)
    remedy = re.search(r"--set ('?)([^']+?)\1(?: or |$)", refused(recipe))
    assert remedy is not None
    check(override(recipe, remedy[2]))


@pytest.mark.parametrize("size", [18, 30, 2])
def test_a_size_that_does_not_divide(lean: Recipe, size: int) -> None:
    sentence = refused(replace(lean, size=size))
    below, above = map(int, re.search(r"take (\d+) or (\d+)", sentence).groups())  # type: ignore[union-attr]
    assert below % 4 == above % 4 == 0
    assert below <= max(size, 4) < above
    with pytest.raises(PlanError, match="take 16 or 24"):
        check_size(18, 8)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("zero_terminal_snr", [None, True])
@pytest.mark.parametrize("predicts", PREDICTIONS)
def test_what_cannot_be_saved_or_drawn_is_refused(
    lean: Recipe, name: str, zero_terminal_snr: bool | None, predicts: str
) -> None:
    """Every prediction on every schedule: it goes through, or it is refused now rather than at the end."""
    if zero_terminal_snr and name in ("flow", "edm"):
        return
    schedule = ScheduleConfig(name=name, zero_terminal_snr=zero_terminal_snr)
    recipe = replace(lean, schedule=schedule, prediction=predicts)
    try:
        check_prediction(recipe)
    except PlanError:
        level = schedule.build()(torch.ones(1))
        x = torch.ones(1, 1, 1, 1)
        finite = bool(PREDICTIONS[predicts].x0(level, x, x).isfinite().all())
        assert not finite or predicts not in str(refused(recipe)).partition("--set")[2]
        return
    assert to_diffusers(schedule, predicts)["_class_name"]


def test_an_unknown_prediction(lean: Recipe) -> None:
    assert "did you mean 'flow'" in refused(replace(lean, prediction="flo"), UnknownNameError)


def test_unknown_features(lean: Recipe) -> None:
    recipe = override(lean, "losses.perceptual_features=random_cnv")
    assert "did you mean 'random_conv'" in refused(recipe, UnknownNameError)


def test_pictures_too_small_for_the_image_tower(lean: Recipe) -> None:
    small = overridden(lean, ["size=8", f"network.sample_size={lean.network.sample_size // 2}"])
    assert "--size 16, or --set text_training=joint" in refused(small)
    check(override(small, "text_training=joint"))


IDENTITY = IdentityAutoencoder(IdentityConfig())


def latents(seed: int = 0) -> np.ndarray:
    centred = np.random.default_rng(seed).normal(2, 3, (64, 3, 4, 4)).astype(np.float32)
    centre(centred, np.arange(64))
    return centred


def test_latents_that_are_not_centred() -> None:
    measured = IdentityAutoencoder(IdentityConfig())
    measured.set_statistics(torch.zeros(3), torch.ones(3))
    check_latents(latents(), measured)
    still, moved, broken = latents(), latents(), latents()
    still[:, 1] = 0
    moved[:, 1] += 0.5
    broken[5, 0, 0, 0] = np.nan
    for wrong in (still, moved, broken, latents() * 2):
        with pytest.raises(PlanError, match=r"not centred.*train it longer"):
            check_latents(wrong, measured)
    with pytest.raises(PlanError, match="not measured"):
        check_latents(latents(), IDENTITY)


def test_a_budget_that_is_too_small() -> None:
    assert steps_for(10.0, 0.5, stage="denoiser") == 20
    with pytest.raises(PlanError, match=r"4 seconds are left for the denoiser.*give more --minutes"):
        steps_for(4.0, 0.5, stage="denoiser")
    with pytest.raises(PlanError, match="0 seconds are left"):
        steps_for(-3.0, 0.5, stage="denoiser")


def run_to_first_step(source: Path | str, out: Path, recipe: Recipe) -> None:
    """As far as one more line in the log; a machine that is slow at something has been told so before."""
    log = out / "log.jsonl"
    before = log.stat().st_size if log.exists() else 0
    for _ in train(TrainRequest(source=str(source), out=out, recipe=recipe)):
        if log.exists() and log.stat().st_size > before:
            break


def test_minutes_that_are_too_few_are_refused_by_the_training(
    pictures: Path, tmp_path: Path, lean: Recipe
) -> None:
    with pytest.raises(PlanError, match="give more --minutes"):
        run_to_first_step(pictures, tmp_path / "run", replace(lean, images=None, minutes=0.001))
    run_to_first_step(pictures, tmp_path / "run", lean)  # and the folder can be used with more


def test_a_full_disk_is_refused_before_the_first_step(
    pictures: Path, tmp_path: Path, lean: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = namedtuple("disk", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: disk(10**6, 8 * 10**5, 2 * 10**5))
    with pytest.raises(DiskFullError, match=r"needs about .* GiB.*another disk"):
        run_to_first_step(pictures, tmp_path / "run", lean)
    assert not (tmp_path / "run" / "log.jsonl").exists()


def test_an_out_that_holds_another_training(pictures: Path, tmp_path: Path, lean: Recipe) -> None:
    run_to_first_step(pictures, tmp_path / "run", lean)
    before = (tmp_path / "run" / "recipe.json").read_bytes()
    with pytest.raises(RunFolderError, match=r"differs in recipe.seed\).*choose another --out"):
        run_to_first_step(pictures, tmp_path / "run", replace(lean, seed=1))
    assert (tmp_path / "run" / "recipe.json").read_bytes() == before
    run_to_first_step(pictures, tmp_path / "run", lean)


def test_an_out_with_strange_files_is_left_as_it_is(pictures: Path, tmp_path: Path, lean: Recipe) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(RunFolderError, match=r"cat\.jpg.*choose another --out"):
        run_to_first_step(pictures, tmp_path / "photos", lean)
    assert [item.name for item in (tmp_path / "photos").iterdir()] == ["cat.jpg"]


def test_a_mistyped_source_does_not_take_the_folder(pictures: Path, tmp_path: Path, lean: Recipe) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        run_to_first_step(str(pictures) + "x", tmp_path / "run", lean)
    run_to_first_step(pictures, tmp_path / "run", lean)


HOLD = "import sys; from pathlib import Path; from rhinoise.core.files import locked\n"
HOLD += "with locked(Path(sys.argv[1])): print('locked', flush=True); sys.stdin.read()"


def test_two_trainings_on_one_out(pictures: Path, tmp_path: Path, lean: Recipe) -> None:
    out = tmp_path / "run"
    run_to_first_step(pictures, out, lean)
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HOLD, str(out)], stdin=pipe, stdout=pipe) as other:
        assert other.stdout is not None
        assert other.stdout.readline()
        with pytest.raises(RunFolderError, match="another training is at work"):
            run_to_first_step(pictures, out, lean)
        other.kill()
    run_to_first_step(pictures, out, lean)


def test_pictures_that_never_change(tmp_path: Path, lean: Recipe) -> None:
    from PIL import Image

    for number in range(4):
        Image.new("RGB", (16, 16), (9, 9, 9)).save(tmp_path / f"{number}.png")
        (tmp_path / f"{number}.txt").write_text(f"grey number {number}")
    network = replace(lean.network, channels=3, sample_size=16)
    recipe = replace(lean, autoencoder=IdentityConfig(), network=network)
    with pytest.raises((ConfigError, PlanError), match="never changes"):
        run_to_first_step(tmp_path, tmp_path / "run", recipe)
