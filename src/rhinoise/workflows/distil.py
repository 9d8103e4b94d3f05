"""A run is brought down to a few steps, long after it was trained: the stage that a training may end with."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from rhinoise.core.config import from_json
from rhinoise.core.files import locked, sweep
from rhinoise.data.dataset import split
from rhinoise.data.sources import open_dataset
from rhinoise.recipes import Recipe
from rhinoise.storage.run_folder import RunFolder
from rhinoise.training.distillation import DistillationConfig
from rhinoise.workflows.devices import device_errors_told
from rhinoise.workflows.events import Event
from rhinoise.workflows.stages.few_steps import distilled
from rhinoise.workflows.stages.stage import Clock


@dataclass(frozen=True, kw_only=True)
class DistilRequest:
    """Which trained run, and how."""

    run: Path
    config: DistillationConfig


@device_errors_told("and the same command goes on from where it was")
def distil(request: DistilRequest) -> Generator[Event, None, None]:
    """Bring the model of a run down to a few steps; leaving saves, and the same call goes on from there."""
    run = RunFolder(request.run)
    record = run.record()
    recipe = from_json(Recipe, record["recipe"])
    with locked(run.root):
        sweep(run.root)
        captions = learnt_captions(record["source"], recipe)
        yield from distilled(run, Clock(run), recipe, request.config, captions)


def learnt_captions(source: str, recipe: Recipe) -> list[str]:
    """Every caption that the model was trained on; the pictures themselves are not looked at."""
    data = recipe.data
    dataset = open_dataset(source, captions=data.captions, caption_lines=data.caption_lines)
    train, _ = split(dataset, data.held_out)
    return [caption for index in train for caption in dataset.examples[index].captions]
