"""How good a trained model is, its parts and what it draws: tables for people and scores.json.

Which pictures are measured depends on the data set alone, so that runs compare; what is drawn depends on the
seed.
"""

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from rhinoise.core.files import cache_folder
from rhinoise.core.images import from_uint8, to_uint8
from rhinoise.core.random import generator
from rhinoise.core.shapes import Images
from rhinoise.data.composed import ORIGINAL
from rhinoise.data.suite import suite
from rhinoise.evaluation.clip import ClipScore, clip_at_hand, clip_score
from rhinoise.evaluation.distribution import LEAST, compare, diversity
from rhinoise.evaluation.levels import loss_by_level
from rhinoise.evaluation.metrics import Retrieval, retrieval
from rhinoise.evaluation.scores import autoencoder_score
from rhinoise.evaluation.spaces import BATCH, Space, blocks, embedded
from rhinoise.explain.plots.losses import loss_figure
from rhinoise.explain.plots.pictures import before_after_figure
from rhinoise.explain.plots.style import save_figure
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.workflows.devices import device_errors_told
from rhinoise.workflows.events import Event, Progress, Said, Wrote
from rhinoise.workflows.pictures import Pictures, read_pictures
from rhinoise.workflows.scoring.replicas import is_trained_on, open_checker, replica_rates
from rhinoise.workflows.scoring.scores import Drawing, InFeatures, Likeness, Replicas, Scores, SuiteScores
from rhinoise.workflows.scoring.suite import SET, suite_scores
from rhinoise.workflows.scoring.trained import EvaluateRequest, drawn, fair_space, open_trained, quick_space

MOST = 512
"""Held-out pictures that are measured at most: more would move the means little."""
CHUNK = 32
"""Pictures that are decoded at a time."""
SHOWN = 8
"""Pictures in the figure of the autoencoder."""
AMONG = 256
"""Training captions that look for their own pictures among each other's."""
PROMPTS, SEEDS = 32, 4
"""How many prompts are drawn how often, to see how much their pictures differ."""


@device_errors_told("or compare fewer pictures (--samples)")
def evaluate(request: EvaluateRequest) -> Generator[Event, None, Scores | SuiteScores]:
    """Measure, or draw the suite; write scores.json and what is to be looked at; return the scores."""
    return (yield from (suite_scores(request) if request.suite else scored(request)))


def scored(request: EvaluateRequest) -> Generator[Event, None, Scores]:
    """Measure; write scores.json, samples/loss.png and samples/autoencoder.png; return the scores."""
    began = time.monotonic()
    trained = open_trained(request)
    model, run = trained.model, trained.run
    space = quick_space(request.features)
    fair = yield from fair_space(space, trained.recipe)
    pictures = yield from read_pictures(trained.source, trained.recipe)
    held_out = len(pictures.held_out) > 0
    if not held_out:
        yield Said("no pictures are held out of so small a set: these are scores on what it was trained on")
    judged = pictures.judged[:MOST]
    images = pictures.prepared.images(judged.tolist())

    yield Said(f"measuring the autoencoder and the loss on {len(images)} pictures")
    fidelity = autoencoder_score(lambda part: survived(model, part), images.split(CHUNK))
    text = model.embed(pictures.first_captions(judged))
    levels = loss_by_level(model.denoiser, model.schedule, model.encode(images), text)

    chosen = choose(pictures, request.samples)
    sets = yield from draw(model, chosen, request.seed)
    replicas = yield from _replicas(model, chosen, sets, space, request.seed)
    scores = Scores(
        model_hash=model.facts.get("hash", ""),
        data=trained.source,
        pictures=len(images),
        held_out=held_out,
        autoencoder=fidelity,
        loss=sum(level.answer for level in levels) / len(levels),
        levels=tuple(levels),
        drawing=sets.how,
        features=None if fair is None else (yield from look(fair, chosen, sets)),
        clip=(yield from _clip(chosen, sets)),
        replicas=replicas,
        seconds=round(time.monotonic() - began, 1),
    )
    yield trained.keep(vars(scores))
    figures = {"autoencoder.png": before_after_figure(images[:SHOWN], survived(model, images[:SHOWN]))}
    if run.entries():
        figures["loss.png"] = loss_figure(run.entries())
    for name, figure in figures.items():
        save_figure(figure, run.samples / name)
        yield Wrote(run.samples / name)
    return scores


def survived(model: LatentDiffusion, images: Images) -> Images:
    """What the autoencoder leaves of pictures."""
    return model.decode(model.encode(images)).cpu()


# --- which pictures are compared


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Pictures by index: whose captions are drawn, and what is drawn is compared with. All are disjoint."""

    pictures: Pictures
    trained: Int[np.ndarray, "n"]
    """Training pictures whose captions are drawn."""
    reference: Int[np.ndarray, "n"]
    """As many other training pictures."""
    held_out: Int[np.ndarray, "k"]
    """Held-out pictures whose captions are drawn."""

    @property
    def originals(self) -> list[int]:
        """Which rows of `trained` are pictures as they came, not made from others for training."""
        examples = self.pictures.prepared.dataset.examples
        return [
            row for row, i in enumerate(self.trained) if examples[i].tags.get("kind", ORIGINAL) == ORIGINAL
        ]

    def captions(self, indices: Int[np.ndarray, "k"]) -> list[str]:
        """What is asked for, to get these pictures."""
        return self.pictures.first_captions(indices)


def choose(pictures: Pictures, samples: int) -> Chosen:
    """`samples` training pictures, and as many others; half of them each where there are fewer."""
    order = torch.randperm(len(pictures.train), generator=generator("evaluate")).numpy()
    count = max(1, min(samples, len(order) // 2))
    return Chosen(
        pictures=pictures,
        trained=pictures.train[order[:count]],
        reference=pictures.train[order[count : 2 * count]],
        held_out=pictures.held_out[:MOST],
    )


# --- what is drawn


@dataclass(frozen=True, kw_only=True)
class Sets:
    """What was drawn: for training captions, for held-out ones, and SEEDS times for each of a few."""

    trained: Float[Tensor, "n 3 H W"]
    held_out: Float[Tensor, "k 3 H W"]
    again: Float[Tensor, "a 3 H W"]
    how: Drawing


def draw(model: LatentDiffusion, chosen: Chosen, seed: int) -> Generator[Event, None, Sets]:
    """Draw a picture for every caption, and several for some."""
    captions, unseen = chosen.captions(chosen.trained), chosen.captions(chosen.held_out)
    some = [caption for caption in list(dict.fromkeys(captions))[:PROMPTS] for _ in range(SEEDS)]
    total = len(captions) + len(unseen) + len(some)
    yield Said(f"drawing {total} pictures, seed {seed}")
    began = time.monotonic()
    trained = yield from drawn(model, captions, seed, "training captions")
    held_out = yield from drawn(model, unseen, seed, "held-out captions")
    again = yield from drawn(model, some, seed, f"{SEEDS} pictures a caption")
    own = model.sampling
    how = Drawing(
        sampler=own.sampler,
        steps=own.steps,
        guidance=own.guidance,
        seed=seed,
        pictures=total,
        seconds_each=(time.monotonic() - began) / total,
    )
    return Sets(trained=trained, held_out=held_out, again=again, how=how)


# --- how it is


def look(space: Space, chosen: Chosen, sets: Sets) -> Generator[Event, None, InFeatures]:
    """Compare what was drawn with what is real, in a feature space."""
    yield Said(f"comparing in features of {space.name}")
    pixels = chosen.pictures.prepared.array
    trained = yield from _kept(space, pixels[chosen.trained], "features of training pictures")
    reference = yield from _kept(space, pixels[chosen.reference], "features of the reference")
    held_out = yield from _kept(space, pixels[chosen.held_out], "features of held-out pictures")
    seen = yield from _seen(space, torch.cat([sets.trained, sets.held_out, sets.again]), "features of drawn")
    drawn_trained, drawn_held_out, again = seen.split([len(trained), len(held_out), len(sets.again)])
    likeness = None
    if len(trained) < LEAST:
        yield Said(f"sets are not compared: that takes {2 * LEAST} training pictures at least")
    else:
        grey, noise = yield from _controls(space, sets.trained.shape)
        likeness = Likeness(
            samples=len(trained),
            drawn=compare(drawn_trained, reference),
            real=compare(trained, reference),
            grey=compare(grey, reference),
            noise=compare(noise, reference),
        )
    own = chosen.originals
    return InFeatures(
        space=space.name,
        likeness=likeness,
        retrieval=_retrieval(drawn_held_out, held_out, chosen.captions(chosen.held_out), MOST),
        retrieval_trained=_retrieval(
            drawn_trained[own], trained[own], chosen.captions(chosen.trained[own]), AMONG
        ),
        diversity=diversity(
            rearrange(again, "(p s) f -> p s f", s=SEEDS), torch.cat([trained, reference, held_out])
        ),
    )


def _retrieval(
    found: Float[Tensor, "n f"], real: Float[Tensor, "n f"], captions: Sequence[str], most: int
) -> Retrieval | None:
    """How many of at most `most` different captions find their own pictures; None of fewer than two.

    A caption that several pictures share would have several right answers: the first picture stands for it.
    """
    first = {caption: row for row, caption in reversed(list(enumerate(captions)))}
    rows = sorted(first.values())[:most]
    return retrieval(found[rows], real[rows], torch.arange(len(rows))) if len(rows) > 1 else None


def _controls(space: Space, shape: Sequence[int]) -> Generator[Event, None, tuple[Tensor, Tensor]]:
    """The features of as many grey pictures, and of as many of noise, every number drawn alone."""
    count, *one = shape
    grey = space(torch.zeros(1, *one)).expand(count, -1)
    pixels = torch.randint(256, tuple(shape), generator=generator("noise control"), dtype=torch.uint8)
    noise = yield from _kept(space, pixels.numpy(), "features of noise")
    return grey, noise


def _kept(
    space: Space, pixels: UInt8[np.ndarray, "n 3 s s"], stage: str
) -> Generator[Event, None, Float[Tensor, "n f"]]:
    """The features of pictures that will be met again."""
    parts = [torch.empty(0, space.dim)]
    for part in blocks(space, pixels, cache_folder() / "features"):
        parts.append(part)
        yield Progress(stage=stage, done=sum(map(len, parts)), total=len(pixels), unit="picture")
    return torch.cat(parts)


def _seen(space: Space, images: Images, stage: str) -> Generator[Event, None, Float[Tensor, "n f"]]:
    """The features of pictures as they are saved, in bytes."""
    parts = [torch.empty(0, space.dim)]
    for part in from_uint8(to_uint8(images)).split(BATCH):
        parts.append(embedded(space, part))
        yield Progress(stage=stage, done=sum(map(len, parts)), total=len(images), unit="picture")
    return torch.cat(parts)


def _replicas(
    model: LatentDiffusion, chosen: Chosen, sets: Sets, space: Space, seed: int
) -> Generator[Event, None, Replicas | None]:
    """How many of the drawn are replicas, apart for training, held-out and composed prompts."""
    pictures = chosen.pictures
    if not is_trained_on(model, pictures):
        yield Said("replicas are not looked for: these are not the pictures that the model was trained on")
        return None
    checker = yield from open_checker(model, pictures, space)
    composed = _composed() if pictures.prepared.dataset.name == SET else []
    what = {
        "training captions": sets.trained[:MOST],
        "held-out captions": sets.held_out,
        "composed prompts": (yield from drawn(model, composed, seed, "composed prompts")),
    }
    return (yield from replica_rates(checker, {name: images for name, images in what.items() if len(images)}))


def _composed() -> list[str]:
    """The suite's prompts of known words in combinations that no picture has: 80 of them."""
    made = [one for one in suite() if not one.seen and (one.colour or one.place or one.other)]
    return [one.prompt for one in made]


def _clip(chosen: Chosen, sets: Sets) -> Generator[Event, None, ClipScore | None]:
    """The CLIP score, where one of its models is at hand."""
    here = clip_at_hand()
    if here is None:
        return None
    name, folder = here
    yield Said(f"measuring the CLIP score with {name}")
    captions, real = chosen.captions(chosen.trained), chosen.pictures.prepared.images(chosen.trained.tolist())
    return ClipScore(
        model=name,
        drawn=clip_score(folder, sets.trained, captions),
        real=clip_score(folder, real, captions),
    )
