"""What fields of the page become when a picture's request is filled in."""

import asyncio
import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.pipeline.request import SamplingConfig
from rhinoise.server.queue.jobs import Jobs, NotNowError
from rhinoise.server.studio.asking import build as built
from rhinoise.server.studio.fields import Fields, restored
from rhinoise.server.studio.pictures import Asked, asked_by
from rhinoise.server.worker.facts import facts
from rhinoise.storage.provenance import png_bytes
from rhinoise.storage.run_folder import RunFolder
from rhinoise.workflows.drawing.order import DrawRequest
from rhinoise.workflows.generate import generate

pytestmark = pytest.mark.filterwarnings("ignore:.*no_silent_downcasting")


@pytest.fixture
def jobs(asking: Callable[..., TestClient]) -> Jobs:
    """A queue whose worker was not started."""
    return asking().app.state.jobs


def filled(jobs: Jobs, found: Asked) -> dict[str, Any]:
    """What each field becomes, by name: its value."""

    async def build() -> Fields:
        with gr.Blocks():
            return built(jobs, gr.Dropdown()).fields

    fields = asyncio.run(build())
    becomes = restored(jobs, fields, found)
    return {name: becomes[field] for name, field in vars(fields).items() if field in becomes}


def test_what_was_distilled_of_a_model_is_chosen_again(jobs: Jobs, trained: Path, tmp_path: Path) -> None:
    """A picture says by its model's hash alone that it was drawn in few steps."""
    run = RunFolder(Path(shutil.copytree(trained, tmp_path / "mine")))
    model = LatentDiffusion.load(run.root)
    with torch.no_grad():
        next(model.denoiser.network.parameters()).add_(0.1)
    replace(model, sampling=replace(model.sampling, steps=3)).save(run.few_steps)
    jobs.dispatch._facts = facts({"mine": str(run.root)})
    for few_steps in (False, True):
        out = tmp_path / f"{few_steps}.png"
        list(generate(DrawRequest(prompts=("a ring",), model=run.root, out=out, few_steps=few_steps)))
        becomes = filled(jobs, asked_by(out))
        assert becomes["model"] == "mine"
        assert becomes["few_steps"].value is few_steps
    own = jobs.facts["models"]["mine"]["few_steps"]["sampling"]
    assert SamplingConfig(**own) == replace(model.sampling, steps=3)


def test_sliders_reach_what_was_asked_for(jobs: Jobs) -> None:
    """Gradio refuses a value beyond the ends, which another interface may have asked for."""
    jobs.dispatch._facts = {"models": {}}
    becomes = filled(
        jobs, Asked(prompt="a ring", first=40, steps=230, guidance=33.3, image="x.png", strength=0.01)
    )
    for name, value in (("count", 41), ("steps", 230), ("guidance", 33.3), ("strength", 0.01)):
        slider = becomes[name]
        assert slider.value == value
        assert slider.minimum <= value <= slider.maximum


def test_nothing_is_filled_in_before_the_models_are_known(jobs: Jobs) -> None:
    with pytest.raises(NotNowError, match="being loaded"):
        filled(jobs, Asked(prompt="a ring", steps=2))


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": "many"},
        {"guidance_interval": [0.0]},
        {"guidance_rescale": 2.0},
        {"spacing": 3},
        {"seed": -1},
    ],
)
def test_a_request_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    request = {"prompt": "a ring"} | wrong
    data = png_bytes(Image.new("RGB", (4, 4)), parameters="", request=request, model_hash="")
    with pytest.raises(Exception, match="does not say how it was asked for"):
        asked_by(io.BytesIO(data).getvalue())
