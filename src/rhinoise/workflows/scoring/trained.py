"""A trained model as what is to be measured: with what it was trained by, and a place for what is found."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rhinoise.core.backend import channels_last
from rhinoise.core.config import from_json, to_json
from rhinoise.core.errors import ConfigError
from rhinoise.core.files import write_json
from rhinoise.core.shapes import Images
from rhinoise.data.sources import DATASETS
from rhinoise.evaluation.distribution import LEAST
from rhinoise.evaluation.spaces import Space, open_space
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.recipes import Recipe
from rhinoise.storage.run_folder import RunFolder
from rhinoise.workflows.defaults import DEFAULT_SAMPLES
from rhinoise.workflows.events import Event, Progress, Said, Wrote
from rhinoise.workflows.paths import find_model, open_model, output_folder
from rhinoise.workflows.scoring.scores import kept_scores

MOST_SAMPLES = 4096


@dataclass(frozen=True, kw_only=True)
class EvaluateRequest:
    """Which model, on which pictures, how many, in which feature space, and the seed of what is drawn."""

    run: Path | str
    """A run, a model folder, or "bundled"."""
    data: str | None = None
    """The pictures; None: those that it was trained on."""
    out: Path | None = None
    """Where scores and figures go; None: into the run."""
    samples: int = DEFAULT_SAMPLES
    """Pictures on each side of a comparison of sets."""
    features: str | None = None
    """A name in SPACES; None: the best that is at hand."""
    few_steps: bool = False
    """Measure the model that was distilled from it."""
    suite: bool = False
    """Draw the suite's prompts and judge them, instead of everything else."""
    seed: int = 0
    precision: str = "auto"

    def __post_init__(self) -> None:
        if not LEAST <= self.samples <= MOST_SAMPLES:
            raise ConfigError(
                f"--samples is a number of pictures from {LEAST} to {MOST_SAMPLES}, not {self.samples}"
            )


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A model, the recipe that it was trained by, and the run or folder that its scores go to."""

    model: LatentDiffusion
    recipe: Recipe
    source: str
    """Of the pictures that it is measured on."""
    run: RunFolder
    few_steps: bool

    def keep(self, found: Mapping[str, Any]) -> Wrote:
        """Write what was found into the model's scores; what was found before of the same model stays."""
        file = self.run.root / ("scores_few_steps.json" if self.few_steps else "scores.json")
        own = self.model.facts.get("hash", "")
        write_json(file, {"model_hash": own} | kept_scores(file, own) | to_json(found))
        return Wrote(file)


def open_trained(request: EvaluateRequest) -> Trained:
    """The model that is asked for; ConfigError when nothing says what it was trained on."""
    place = find_model(request.run)
    model = open_model(request.run, request.precision, few_steps=request.few_steps)
    recipe, source = trained_by(place, model, request.data)
    out = place if _is_run(place) else Path(f"evaluation-{place.name}")
    return Trained(
        model=model,
        recipe=recipe,
        source=source,
        run=RunFolder(output_folder(request.out or out)),
        few_steps=request.few_steps,
    )


def trained_by(place: Path, model: LatentDiffusion, data: str | None) -> tuple[Recipe, str]:
    """The recipe that a model was trained by, and the source of its pictures, or `data` in its place.

    ConfigError when nothing says it.
    """
    if _is_run(place):
        record = RunFolder(place).record()
        settings, source = record["recipe"], record["source"]
    else:
        settings, source = model.facts.get("settings"), _by_name(model.facts)
    if settings is None:
        raise ConfigError(f"{place} does not say how it was trained: give a run of `rhinoise train`")
    source = data or source
    if source is None:
        raise ConfigError(f"{place} does not hold the pictures that it was trained on: say --data FOLDER")
    return from_json(Recipe, settings), source


def _is_run(place: Path) -> bool:
    return (place / "recipe.json").is_file()


def _by_name(facts: Mapping[str, Any]) -> str | None:
    """The set that a model was trained on, where it is one that everybody has."""
    name = facts.get("data", {}).get("name")
    return name if name in DATASETS else None


def quick_space(name: str | None = None) -> Space:
    """The feature space of that name, or the best at hand, its filters lying as convolutions are fastest.

    EfficientNet-Lite0 so looks at half as many pictures again in a second; its features stay what they are to
    2e-6 of their length.
    """
    space = open_space(name)
    return channels_last(space) if isinstance(space, nn.Module) else space


def fair_space(space: Space, recipe: Recipe) -> Generator[Event, None, Space | None]:
    """The space to judge in; None, and a sentence, when the autoencoder was trained to please it."""
    if recipe.losses.perceptual and recipe.losses.perceptual_features == space.name:
        yield Said(
            f"comparing what is drawn is left out: the autoencoder was trained on {space.name}, which would "
            "judge it; choose other features with --features"
        )
        return None
    return space


def drawn(
    model: LatentDiffusion, prompts: Sequence[str], seed: int, stage: str
) -> Generator[Event, None, Images]:
    """One picture per prompt, in the model's own way."""
    parts = [torch.empty(0, 3, model.size, model.size)]
    for part in model.illustrate(prompts, seed=seed) if prompts else ():
        parts.append(part.cpu())
        yield Progress(stage=stage, done=sum(map(len, parts)), total=len(prompts), unit="picture")
    return torch.cat(parts)
