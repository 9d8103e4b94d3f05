"""The loss by noise level, told the caption, another one, or nothing: where a picture is decided."""

from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path

from rhinoise.core.errors import ConfigError
from rhinoise.core.files import write_json
from rhinoise.explain.measure.information import BATCH, TOLD, Information, summed, times_of, told_of
from rhinoise.explain.plots.information import information_figure
from rhinoise.explain.plots.style import save_figure
from rhinoise.pipeline.errors import errors_by_level
from rhinoise.workflows.devices import device_errors_told
from rhinoise.workflows.events import Event, Progress, Said, Wrote
from rhinoise.workflows.pictures import read_pictures, spread
from rhinoise.workflows.scoring.trained import EvaluateRequest, open_trained

MOST_PICTURES = 4096


@dataclass(frozen=True, kw_only=True)
class LevelsRequest:
    """Which model, on how many pictures of which data."""

    run: Path | str
    """A run, a model folder, or "bundled"."""
    data: str | None = None
    """The pictures; None: those that it was trained on, the held-out ones."""
    out: Path | None = None
    """A folder; None: into the run."""
    pictures: int = 64
    precision: str = "auto"

    def __post_init__(self) -> None:
        if not 2 <= self.pictures <= MOST_PICTURES:
            raise ConfigError(
                f"--pictures is a number from 2 to {MOST_PICTURES}, not {self.pictures}: more are surer"
            )


@device_errors_told("or measure fewer pictures (--pictures)")
def levels(request: LevelsRequest) -> Generator[Event, None, Information]:
    """Measure; write levels.png and levels.json; return what was found."""
    trained = open_trained(
        EvaluateRequest(run=request.run, data=request.data, out=request.out, precision=request.precision)
    )
    model, run = trained.model, trained.run
    pictures = yield from read_pictures(trained.source, trained.recipe)
    held_out = len(pictures.held_out) > 0
    if not held_out:
        yield Said("no pictures are held out of so small a set: this is the loss on what it was trained on")
    judged = spread(pictures.judged, request.pictures)
    captions = pictures.first_captions(judged)
    told = told_of(captions, model.embed)
    if TOLD[1] not in told:
        yield Said("all captions are one and the same: there is no other one to tell")
    latents = model.encode(pictures.prepared.images(judged.tolist()))
    times = times_of(model.schedule)
    yield Said(f"measuring the loss at {len(times)} noise levels on {len(latents)} pictures")
    errors = []
    every = errors_by_level(model.denoiser, model.schedule, latents, told, times.tolist(), batch=BATCH)
    for found in every:
        errors.append(found)
        yield Progress(stage="levels", done=len(errors), total=len(times), unit="level")
    information = summed(model.schedule, times, errors, latents[0].numel())
    which = f"{len(latents)} {'held-out' if held_out else 'training'} pictures"
    figure, numbers = run.root / "levels.png", run.root / "levels.json"
    save_figure(information_figure(information, which), figure)
    yield Wrote(figure)
    about = {
        "model_hash": model.facts.get("hash", ""),
        "data": trained.source,
        "pictures": len(latents),
        "held_out": held_out,
    }
    write_json(numbers, about | asdict(information))
    yield Wrote(numbers)
    yield Said(in_words(information))
    return information


def in_words(found: Information) -> str:
    """What was found, as a sentence."""
    nats = f"{found.noisy_nats:.0f} ± {found.noisy_nats_error:.0f} nats"
    if found.matters_below_db is None:
        return f"captions take less than 5 % off the loss at every level ({nats} below 0 dB)"
    return (
        f"captions take 5 % or more off the loss below an SNR of {found.matters_below_db:.0f} dB; below 0 dB "
        f"they tell {nats} of a picture, above {found.nats - found.noisy_nats:.0f}"
    )
