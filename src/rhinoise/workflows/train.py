"""From captioned pictures to a model: every stage, in order, resumable at any moment.

What is decided on the way (steps per stage, from measured times) is written down once, so that a run that was
killed and started again goes on as if nothing had happened.
"""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from rhinoise.core.config import to_json
from rhinoise.core.files import locked, sweep
from rhinoise.recipes.recipe import Recipe
from rhinoise.storage.run_folder import RunFolder
from rhinoise.workflows.build import build
from rhinoise.workflows.events import Event
from rhinoise.workflows.pictures import read_pictures
from rhinoise.workflows.plan import check_losses, check_prediction, check_shapes
from rhinoise.workflows.stages import Clock
from rhinoise.workflows.training import Training


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """What to train from (a source, as `data.sources` takes it), into which folder, by which recipe."""

    source: str
    out: Path
    recipe: Recipe


def train(request: TrainRequest) -> Generator[Event, None, None]:
    """Train every stage; leaving the loop saves, and the same call goes on from there.

    RunFolderError, PlanError, DataError and DiskFullError say what stands in the way.
    """
    run = RunFolder(request.out)
    run.refuse_strangers()
    check_prediction(request.recipe)
    check_losses(request.recipe)
    autoencoder = build(request.recipe.autoencoder, seed=request.recipe.seed)
    network = build(request.recipe.network, seed=request.recipe.seed + 1)
    check_shapes(request.recipe, autoencoder)
    with locked(run.root):
        run.claim({"source": request.source, "recipe": to_json(request.recipe)})
        sweep(run.root)
        clock = Clock(run)
        pictures = yield from read_pictures(run, request.source, request.recipe)
        run.write_skipped([(item.name, item.reason) for item in pictures.prepared.dataset.skipped])
        training = Training(run, clock, request.recipe, pictures, autoencoder, network)
        yield from training.stages()
