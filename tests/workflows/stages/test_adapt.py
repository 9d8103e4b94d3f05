"""A model goes on learning from other pictures, in full and low-rank, and the better one is kept."""

import contextlib
import itertools
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rhinoise.core.errors import RunFolderError
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.recipes import Recipe
from rhinoise.storage.index import FACTS
from rhinoise.storage.run_folder import RunFolder
from rhinoise.workflows.choose import choose
from rhinoise.workflows.events import Event, Said, Wrote
from rhinoise.workflows.start import open_start
from rhinoise.workflows.train import TrainRequest, train

STAGES = {"full": "denoiser", "low-rank": "low-rank"}


def recipe(base: Path, method: str, images: int = 40) -> Recipe:
    chosen = choose(start=base, images=images, settings={"adapt.method": method, "data.held_out": 0.25})
    never = replace(chosen.fit_denoiser, checkpoint_seconds=1e9)
    return replace(chosen, fit_denoiser=never)


def adapted(base: Path, pictures: Path, out: Path, method: str) -> list[Event]:
    request = TrainRequest(source=str(pictures), out=out, recipe=recipe(base, method), start=base)
    return list(train(request))


def steps(run: RunFolder, stage: str) -> list[int]:
    return [entry["step"] for entry in run.entries() if entry["stage"] == stage]


@pytest.mark.parametrize("method", ["full", "low-rank", "both"])
def test_the_denoiser_learns_and_the_rest_stays(
    trained: Path, pictures: Path, tmp_path: Path, method: str
) -> None:
    events, run = adapted(trained, pictures, tmp_path / "run", method), RunFolder(tmp_path / "run")
    before, after = open_start(trained), open_start(run.root)
    for part in ("autoencoder", "text_encoder"):
        old, new = (getattr(parts, part).state_dict() for parts in (before, after))
        assert all(torch.equal(weight, old[name]) for name, weight in new.items())
    changed = [
        name
        for name, weight in after.network.state_dict().items()
        if not torch.equal(weight, before.network.state_dict()[name])
    ]
    outcome = run.plan()["adapted"]
    ways = [method] if method != "both" else ["full", "low-rank"]
    assert set(outcome) == {"kept", "before", *ways}
    assert outcome["kept"] == min(ways, key=lambda way: outcome[way]["loss"])
    if outcome["kept"] == "full":
        assert changed
    else:  # vectors have no low-rank products
        assert changed
        assert all(after.network.state_dict()[name].ndim >= 2 for name in changed)
    # Each way has an equal part of the budget, and its own looks in the log.
    for way in STAGES:
        wanted = math.ceil(40 / len(ways) / 8) if way in ways else 0
        assert steps(run, STAGES[way]) == list(range(1, wanted + 1))
    assert bool(steps(run, "held out")) == ("full" in ways)
    assert bool(steps(run, "low-rank held out")) == ("low-rank" in ways)
    # It says so, and the folder does.
    said = "\n".join(event.text for event in events if isinstance(event, Said))
    for way in ("before", *ways):
        assert f"{way}: held-out loss {outcome[way]['loss']:.4f}" in said
    assert ("did better and is kept" in said) == (method == "both")
    # The model's text encoder stays, so there is nothing to be done about long captions.
    assert "24 of 24 captions are longer than 16 tokens and are cut there\n" in said
    assert all(event.path.exists() for event in events if isinstance(event, Wrote))
    model = LatentDiffusion.load(run.root)
    assert model.facts["started_from"]["hash"] == before.facts["hash"]
    assert model.facts["adapted"] == outcome
    # Done is done.
    assert not steps_again(trained, pictures, run, method)


def steps_again(base: Path, pictures: Path, run: RunFolder, method: str) -> list[int]:
    """What happens when the same training is asked for once more."""
    files = {file: file.read_bytes() for file in run.model.rglob("*") if file.is_file()}
    entries = len(run.entries())
    adapted(base, pictures, run.root, method)
    assert {file: file.read_bytes() for file in files} == files
    return [entry["step"] for entry in run.entries()[entries:]]


def test_left_early_it_goes_on_exactly(
    trained: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The random factors, both stages, and which of them is kept.

    All weights to the bit. What is measured of them may be off by rounding: after a start from a checkpoint
    the same numbers lie elsewhere in memory, and not every processor adds them up in the same order then.
    """

    def training(name: str):
        monkeypatch.setenv("RHINOISE_CACHE", str(tmp_path / f"{name} cache"))
        return train(
            TrainRequest(
                source=str(pictures), out=tmp_path / name, recipe=recipe(trained, "both"), start=trained
            )
        )

    total, left = sum(1 for _ in training("calm")), 0
    for stop in (total // 3, total // 3, total // 3, total):
        with contextlib.closing(training("left")) as events:
            left += len(list(itertools.islice(events, stop))) == stop
    assert left >= 2
    names = [
        file.relative_to(tmp_path / "calm")
        for file in (tmp_path / "calm" / "model").rglob("*")
        if file.is_file() and file.name != FACTS
    ]
    calm, late = ({name: (tmp_path / run / name).read_bytes() for name in names} for run in ("calm", "left"))
    assert calm == late
    measured, again = (RunFolder(tmp_path / run).plan()["adapted"] for run in ("calm", "left"))
    assert measured["kept"] == again["kept"]
    for stage in ("before", *STAGES):
        assert measured[stage] == again[stage] | {"loss": pytest.approx(again[stage]["loss"], rel=1e-6)}


def test_a_run_is_tied_to_the_model_it_started_from(trained: Path, pictures: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(trained / "model", tmp_path / "base"))
    request = TrainRequest(
        source=str(pictures), out=tmp_path / "run", recipe=recipe(base, "full", images=8), start=base
    )
    list(train(request))
    other = LatentDiffusion.load(base)
    with torch.no_grad():
        next(iter(other.parts.network.parameters())).add_(0.1)
    other.save(base)
    with pytest.raises(RunFolderError, match=r"differs in start\.hash"):
        list(train(request))
