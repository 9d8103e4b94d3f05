"""A trained model goes on learning, from other pictures: its denoiser, in full or by low-rank products.

Autoencoder and text encoder stay as they are, so that what the denoiser knows of their latents and tokens
stays true. Where both ways are gone, each has half of the time, and what does better on held-out pictures is
kept.
"""

import math
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from rhinoise.evaluation.metrics import Retrieval, retrieval
from rhinoise.evaluation.spaces import Space, embedded
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.recipes import Recipe
from rhinoise.storage.run_folder import STEPS
from rhinoise.training.fit import FitConfig
from rhinoise.training.low_rank import merged, with_low_rank
from rhinoise.workflows.events import Event, Said, Wrote
from rhinoise.workflows.scoring.trained import drawn, fair_space, quick_space
from rhinoise.workflows.stages.autoencoder import keep_latents
from rhinoise.workflows.stages.build import seeded
from rhinoise.workflows.stages.denoiser import (
    Way,
    denoiser_stage,
    held_out_losses,
    model_so_far,
    seconds_left,
)
from rhinoise.workflows.stages.few_steps import distilled
from rhinoise.workflows.stages.stage import run_stage
from rhinoise.workflows.stages.training import Training

BEFORE, FULL, LOW_RANK = "before", "full", "low-rank"
GLANCES = 2
"""Looks at each way: drawing takes a part of the few minutes that such a training has."""
WAYS = {
    LOW_RANK: Way(
        stage="low-rank",
        glances=GLANCES,
        held_out="low-rank held out",
        samples="low-rank-",
        whole=merged,
    ),
    FULL: Way(glances=GLANCES),
}
ADAPTED = "adapted"
"""What the plan calls the outcome."""
DRAWN = 32
"""Captions that are drawn, at most, to see whether a picture is found by its caption."""


def adapt(training: Training) -> Iterator[Event]:
    """Train in the ways that the recipe asks for, keep the better one, say by how much."""
    recipe, run = training.recipe, training.run
    assert recipe.adapt is not None
    yield from training.begin()
    latents = yield from keep_latents(training)
    ways = [way for way in WAYS if recipe.adapt.method in (way, "both")]
    models = {BEFORE: model_so_far(training, training.network, WAYS[FULL], {}, 0)}
    for done, way in enumerate(ways):
        models[way] = yield from _gone(training, latents, way, done, len(ways))
    if ADAPTED not in run.plan():
        yield from _judged(training, latents, models)
    if recipe.distillation is not None:
        yield from distilled(run, training.clock, recipe, recipe.distillation, training.pictures.learnt)


def _gone(
    training: Training, latents: Float[np.ndarray, "n c h w"], way: str, done: int, ways: int
) -> Generator[Event, None, LatentDiffusion]:
    """One way to its end: after `done` of `ways`, which share the budget alike."""
    recipe, images = training.recipe, training.recipe.images_for("denoiser")
    network, config = _begun(recipe, training.network, way)
    stage = denoiser_stage(
        training,
        latents,
        network,
        WAYS[way],
        config,
        images=None if images is None else math.ceil(images / ways),
        seconds=lambda: seconds_left(training) / (ways - done),
    )
    yield from run_stage(training.run, training.clock, stage)
    return model_so_far(training, network, WAYS[way], {}, training.run.plan()[stage.name + STEPS])


def _begun(recipe: Recipe, network: nn.Module, way: str) -> tuple[nn.Module, FitConfig]:
    """What is trained, and how: the network itself, or a copy with low-rank products."""
    assert recipe.adapt is not None
    if way == FULL:
        return network, recipe.fit_denoiser
    low_rank = seeded(recipe.seed + 5, with_low_rank, network, recipe.adapt.rank)
    # Factors are no weights whose directions should all move alike: AdamW, whatever trained the network.
    return low_rank, replace(recipe.fit_denoiser, learning_rate=recipe.adapt.learning_rate, optimizer="adamw")


def _judged(
    training: Training, latents: Float[np.ndarray, "n c h w"], models: Mapping[str, LatentDiffusion]
) -> Iterator[Event]:
    """Every model's loss and retrieval on held-out pictures; the one of the least loss is saved."""
    found: dict[str, dict[str, Any]] = {}
    space = yield from fair_space(quick_space(), training.recipe)
    for name, model in models.items():
        losses = held_out_losses(training, latents, model)
        found[name] = {"loss": sum(level.answer for level in losses) / len(losses)}
        told = f"{name}: held-out loss {found[name]['loss']:.4f}"
        if space is not None and (score := (yield from _retrieval(training, model, space))) is not None:
            found[name] |= {"retrieval": asdict(score), "features": space.name}
            told += f", a caption finds its own picture first among {score.among} in {score.top1:.0%}"
        yield Said(told)
    kept = min((name for name in models if name != BEFORE), key=lambda name: found[name]["loss"])
    if len(models) > 2:
        yield Said(f"{kept} did better and is kept")
    parts, outcome = models[kept].parts, {"kept": kept} | found
    replace(models[kept], parts=replace(parts, facts=dict(parts.facts) | {ADAPTED: outcome})).save(
        training.run.model
    )
    training.run.note(ADAPTED, outcome)
    yield Wrote(training.run.model)


def _retrieval(
    training: Training, model: LatentDiffusion, space: Space
) -> Generator[Event, None, Retrieval | None]:
    """Whether what is drawn for a caption is nearest to its own picture; None of fewer than two captions."""
    judged = training.pictures.judged
    # A caption that several pictures share would have several right answers: the first stands for it.
    captions = dict(reversed([*zip(training.pictures.first_captions(judged), judged, strict=True)]))
    prompts = sorted(captions, key=captions.__getitem__)[:DRAWN]
    if len(prompts) < 2:
        return None
    images = yield from drawn(model, prompts, training.recipe.seed, "drawing held-out captions")
    real = training.pictures.prepared.images([int(captions[prompt]) for prompt in prompts])
    return retrieval(embedded(space, images), embedded(space, real), torch.arange(len(prompts)))
