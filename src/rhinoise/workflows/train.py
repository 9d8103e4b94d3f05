"""From captioned pictures to a model: every stage, in order, resumable at any moment.

What is decided on the way (steps per stage, from measured times) is written down once, so that a run that was
killed and started again goes on as if nothing had happened.
"""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from rhinoise.core.backend import best_device, remarks
from rhinoise.core.config import to_json
from rhinoise.core.files import locked, sweep
from rhinoise.recipes.recipe import Recipe
from rhinoise.storage.run_folder import RunFolder
from rhinoise.workflows.devices import device_errors_told
from rhinoise.workflows.events import Event, Said
from rhinoise.workflows.pictures import read_pictures
from rhinoise.workflows.report import short_report
from rhinoise.workflows.stages.adapt import adapt
from rhinoise.workflows.stages.build import build
from rhinoise.workflows.stages.plan import check_losses, check_prediction, check_shapes
from rhinoise.workflows.stages.scratch import from_scratch
from rhinoise.workflows.stages.stage import Clock
from rhinoise.workflows.stages.training import Training
from rhinoise.workflows.start import located, open_start


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """What to train from (a source, as `data.sources` takes it), into which folder, by which recipe."""

    source: str
    out: Path
    recipe: Recipe
    start: Path | str | None = None
    """The model to start from, of which `recipe` is (`workflows.start.continued`); None: from scratch."""


@device_errors_told("and the same command goes on from the last checkpoint")
def train(request: TrainRequest) -> Generator[Event, None, None]:
    """Train every stage; leaving the loop saves, and the same call goes on from there.

    RunFolderError, ModelFolderError, PlanError, DataError and DiskFullError say what stands in the way.
    """
    run, recipe = RunFolder(request.out), request.recipe
    run.refuse_strangers()
    check_prediction(recipe)
    check_losses(recipe)
    record = {"source": request.source, "recipe": to_json(recipe)}
    if request.start is None:
        start, autoencoder = None, build(recipe.autoencoder, seed=recipe.seed)
        network = build(recipe.network, seed=recipe.seed + 1)
    else:
        start = open_start(request.start)
        autoencoder, network = start.autoencoder, start.network
        record["start"] = {"model": located(request.start), "hash": start.facts["hash"]}
    check_shapes(recipe, autoencoder)
    fits = (recipe.fit_autoencoder, recipe.fit_text, recipe.fit_denoiser)
    for remark in remarks({fit.precision for fit in fits}, best_device()):
        yield Said(remark)
    with locked(run.root):
        run.claim(record)
        sweep(run.root)
        clock = Clock(run)
        pictures = yield from read_pictures(request.source, recipe)
        skipped = pictures.prepared.dataset.skipped
        run.write_skipped([(item.name, item.reason) for item in skipped])
        if skipped:
            yield Said(f"what was skipped, and why: {run.root / 'skipped.csv'}")
        training = Training(run, clock, recipe, pictures, autoencoder, network, start)
        yield from from_scratch(training) if start is None else adapt(training)
        yield from short_report(run)
