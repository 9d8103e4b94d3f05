"""The last stage: a denoiser, which is looked at now and then; each look leaves the model so far."""

import copy
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from rhinoise.core.config import to_json
from rhinoise.core.images import grid, to_pil
from rhinoise.core.shapes import TextEmbedding
from rhinoise.evaluation.levels import LevelLoss, loss_by_level
from rhinoise.explain.plots.losses import loss_figure
from rhinoise.nets.text import TextEncoder
from rhinoise.pipeline.denoiser import Denoiser
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.storage.bundle import Bundle
from rhinoise.training.batches import DenoisingBatches
from rhinoise.training.checkpoint import under
from rhinoise.training.fit import FitConfig
from rhinoise.training.tasks import DenoisingTask
from rhinoise.workflows.command import command
from rhinoise.workflows.events import Event, Said, Wrote
from rhinoise.workflows.pictures import spread
from rhinoise.workflows.stages.moments import keep_moment
from rhinoise.workflows.stages.stage import HELD_OUT, Stage
from rhinoise.workflows.stages.text import keep_embeddings
from rhinoise.workflows.stages.training import SHOWN, Training

GLANCES = 5
"""How often a denoiser in training is looked at: held-out loss, samples, the model so far."""
MEASURED = 128
"""Held-out pictures that a glance measures the loss on."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """How a denoiser is trained, and what is kept of it."""

    stage: str = "denoiser"
    glances: int = GLANCES
    held_out: str = HELD_OUT
    """What the log calls its looks."""
    samples: str = ""
    """What the names of its samples begin with."""
    whole: Callable[[nn.Module], nn.Module] = lambda network: network
    """The trained network => a plain one, for the model folder."""


def denoiser_stage(
    training: Training,
    latents: Float[np.ndarray, "n c h w"],
    network: nn.Module,
    way: Way,
    config: FitConfig,
    *,
    images: int | None,
    seconds: Callable[[], float],
) -> Stage:
    """The stage that trains `network`."""
    recipe, pictures = training.recipe, training.pictures
    learning = training.text_encoder if training.joint else None
    assert learning is None or isinstance(learning, TextEncoder)
    unconditional: TextEmbedding | Tensor
    text: Callable[[Int[np.ndarray, b]], TextEmbedding | Tensor]
    if learning is not None:
        tokens = learning.tokenize(pictures.captions.rows)
        unconditional, text = learning.tokenize([""]), lambda chosen: tokens[torch.from_numpy(chosen)]
    else:
        with torch.no_grad():
            unconditional, text = training.text_encoder.encode([""]), keep_embeddings(training)
    task = DenoisingTask(
        Denoiser(network, recipe.prediction),
        recipe.schedule.build(),
        recipe.objective,
        unconditional=unconditional,
        text_encoder=learning,
    )
    return Stage(
        name=way.stage,
        task=task,
        batches=lambda steps: DenoisingBatches(
            latents=latents,
            indices=pictures.train,
            captions=pictures.captions,
            text=text,
            size=config.batch,
            seed=recipe.seed,
            caption_dropout=recipe.caption_dropout,
        ),
        config=config,
        images=images,
        seconds=seconds,
        glances=way.glances,
        held_out=way.held_out,
        look=lambda average, step: _look(
            training, latents, model_so_far(training, network, way, average, step), way
        ),
    )


def seconds_left(training: Training) -> float:
    """What the other stages left of the budget; where they overran, at least half the denoiser's share.

    Reading pictures for the first time, or a slow disk, must not end a training after its first stages.
    """
    left = training.recipe.seconds_for("total") - training.clock.seconds()
    return max(left, training.recipe.seconds_for("denoiser") / 2)


def _look(
    training: Training, latents: Float[np.ndarray, "n c h w"], model: LatentDiffusion, way: Way
) -> Generator[Event, None, dict[str, Any]]:
    """The model so far: saved, measured on held-out pictures, and some drawn => a record for the log."""
    model.save(training.run.model)
    step, losses = model.facts["denoiser_steps"], held_out_losses(training, latents, model)
    keep_moment(training.run, model, latents, training.pictures.train, step)
    mean = sum(level.answer for level in losses) / len(losses)
    yield Said(f"{way.stage} after step {step}: held-out loss {mean:.4f}")
    shown = np.concatenate(
        [spread(chosen, SHOWN // 2) for chosen in (training.pictures.train, training.pictures.judged)]
    )
    captions = training.pictures.first_captions(shown)
    drawn = list(model.illustrate(captions))
    path = training.run.samples / f"{way.samples}{step:07d}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    grid(to_pil(torch.cat(drawn)), SHOWN // 2, captions).save(path)
    yield Wrote(path)
    yield training.figure("loss.png", loss_figure(training.run.entries()))
    return {"loss": mean, "levels": [asdict(level) for level in losses]}


def held_out_losses(
    training: Training, latents: Float[np.ndarray, "n c h w"], model: LatentDiffusion
) -> list[LevelLoss]:
    """The model's loss on held-out pictures, by noise level."""
    judged = training.pictures.judged[:MEASURED]
    text = model.embed(training.pictures.first_captions(judged))
    x0 = torch.from_numpy(latents[judged]).to(model.device)
    return loss_by_level(model.denoiser, model.schedule, x0, text)


def model_so_far(
    training: Training,
    network: nn.Module,
    way: Way,
    average: Mapping[str, Tensor],
    step: int,
) -> LatentDiffusion:
    """The averaged weights bound into a model, the ones in training left alone."""
    recipe = training.recipe
    network, text_encoder = copy.deepcopy(network), training.text_encoder
    network.load_state_dict(under("network", average), strict=False)
    if training.joint:
        text_encoder = copy.deepcopy(training.text_encoder)
        text_encoder.load_state_dict(under("text_encoder", average), strict=False)
    dataset, start = training.pictures.prepared.dataset, training.start
    facts: dict[str, Any] = {
        "recipe": recipe.name,
        "size": recipe.size,
        "sampling": to_json(recipe.sampling),
        "pictures": len(training.pictures.train),
        "held_out": len(training.pictures.held_out),
        "denoiser_steps": step,
        "data": {
            "name": dataset.name,
            "digest": training.run.plan()["data"],
            "licences": [asdict(licence) for licence in dataset.licences],
            "model_licence": dataset.model_licence,
        },
        "settings": to_json(recipe),
        "command": command(dataset.name, recipe, start),
        "context": text_encoder.context,
        "versions": {name: version(name) for name in ("rhinoise", "torch")},
    }
    if start is not None:
        facts["started_from"] = {name: start.facts.get(name) for name in ("recipe", "hash", "data")}
    parts = Bundle(
        autoencoder=training.autoencoder,
        text_encoder=text_encoder,
        network=way.whole(network),
        predicts=recipe.prediction,
        schedule=recipe.schedule,
        facts=facts,
    )
    return LatentDiffusion.of(parts)
