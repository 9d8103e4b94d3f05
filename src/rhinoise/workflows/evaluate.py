"""How good a trained model is, on pictures that it has not seen: a record for people and for scores.json."""

import time
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from rhinoise.core.config import from_json
from rhinoise.core.errors import MissingPackageError
from rhinoise.core.files import write_json
from rhinoise.core.shapes import Images
from rhinoise.diffusion.forward import DECIBELS
from rhinoise.evaluation.levels import LevelLoss, loss_by_level
from rhinoise.evaluation.metrics import Retrieval
from rhinoise.evaluation.scores import AutoencoderScore, autoencoder_score, caption_retrieval
from rhinoise.explain.plots import before_after_figure, loss_figure, save_figure
from rhinoise.nets.features import FEATURES
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.pipeline.request import GenerateRequest
from rhinoise.recipes import Recipe
from rhinoise.storage.run_folder import RunFolder
from rhinoise.training.tasks import AutoencoderLosses
from rhinoise.workflows.events import Event, Said, Wrote
from rhinoise.workflows.generate import followed
from rhinoise.workflows.paths import open_model
from rhinoise.workflows.pictures import read_pictures

MOST = 512
"""Pictures that are measured at most: more would move the means little."""
CHUNK = 32
"""Pictures that are drawn or decoded at a time."""
SHOWN = 8
"""Pictures in the figure of the autoencoder."""
FEATURE_SPACE = "efficientnet_lite0"


@dataclass(frozen=True, kw_only=True)
class EvaluateRequest:
    """Which run, and the seed of what is drawn for it."""

    run: Path
    seed: int = 0
    precision: str = "auto"


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What was measured."""

    model_hash: str
    pictures: int
    held_out: bool
    """Whether the model has never seen these pictures; a small set holds none out."""
    autoencoder: AutoencoderScore
    loss: float
    """Mean squared error of the network's answer, a mean over `levels`."""
    levels: tuple[LevelLoss, ...]
    retrieval: Retrieval | None
    """How often the picture drawn for a caption is nearest to that caption's own; None where not measured."""
    seed: int
    seconds: float

    def rows(self) -> list[tuple[str, str]]:
        """What was measured => the number with its unit, for people."""
        seen = "held-out" if self.held_out else "training"
        rows = [
            (f"autoencoder, PSNR on {self.pictures} {seen} pictures", f"{self.autoencoder.psnr:.1f} dB"),
            ("autoencoder, SSIM", f"{self.autoencoder.ssim:.3f}"),
            ("denoiser, loss", f"{self.loss:.4f}"),
            *(
                (f"  at t {level.time:g}, SNR {DECIBELS * level.log_snr:.0f} dB", f"{level.answer:.4f}")
                for level in self.levels
            ),
        ]
        if self.retrieval is not None:
            among = self.retrieval.among
            rows += [
                (f"caption's own picture found first among {among}", f"{self.retrieval.top1:.1%}"),
                ("  within the first five", f"{self.retrieval.top5:.1%}"),
                ("  first, by chance", f"{1 / among:.1%}"),
            ]
        return rows


def evaluate(request: EvaluateRequest) -> Generator[Event, None, Scores]:
    """Measure; write scores.json, samples/loss.png and samples/autoencoder.png; return the scores."""
    began, run = time.monotonic(), RunFolder(request.run)
    model = open_model(run.root, request.precision)
    record = run.record()
    recipe = from_json(Recipe, record["recipe"])
    pictures = yield from read_pictures(run, record["source"], recipe)
    judged, held_out = pictures.judged[:MOST], len(pictures.held_out) > 0
    if not held_out:
        yield Said("no pictures are held out of so small a set: these are scores on what it was trained on")
    images, captions = pictures.prepared.images(judged.tolist()), pictures.first_captions(judged)

    yield Said(f"measuring the autoencoder and the loss on {len(images)} pictures")
    fidelity = autoencoder_score(lambda part: survived(model, part), images.split(CHUNK))
    levels = loss_by_level(model.denoiser, model.schedule, model.encode(images), model.embed(captions))
    scores = Scores(
        model_hash=model.facts.get("hash", ""),
        pictures=len(images),
        held_out=held_out,
        autoencoder=fidelity,
        loss=sum(level.answer for level in levels) / len(levels),
        levels=tuple(levels),
        retrieval=(yield from _retrieval(model, images, captions, request.seed, recipe.losses)),
        seed=request.seed,
        seconds=round(time.monotonic() - began, 1),
    )
    write_json(run.root / "scores.json", asdict(scores))
    yield Wrote(run.root / "scores.json")
    figures = {
        "loss.png": loss_figure(run.entries()),
        "autoencoder.png": before_after_figure(images[:SHOWN], survived(model, images[:SHOWN])),
    }
    for name, figure in figures.items():
        save_figure(figure, run.samples / name)
        yield Wrote(run.samples / name)
    return scores


def survived(model: LatentDiffusion, images: Images) -> Images:
    """What the autoencoder leaves of pictures."""
    return model.decode(model.encode(images)).cpu()


def _retrieval(
    model: LatentDiffusion, images: Images, captions: Sequence[str], seed: int, losses: AutoencoderLosses
) -> Generator[Event, None, Retrieval | None]:
    """Draw a picture for every caption and look which real one it is nearest to."""
    if losses.perceptual and losses.perceptual_features == FEATURE_SPACE:
        yield Said(
            f"caption retrieval is left out: the autoencoder was trained on {FEATURE_SPACE}, the judge"
        )
        return None
    try:
        features = FEATURES[FEATURE_SPACE]()
    except MissingPackageError as error:
        yield Said(f"caption retrieval is left out: {error}")
        return None
    # A caption that several pictures share would have several right answers: the first picture stands for it.
    asked = {caption: row for row, caption in reversed(list(enumerate(captions)))}
    rows, different = sorted(asked.values()), sorted(asked, key=asked.__getitem__)
    if len(rows) < 2:
        yield Said("caption retrieval is left out: it takes two different captions")
        return None
    yield Said(f"drawing a picture for each of {len(rows)} captions, seed {seed}")
    drawn, chunks = [], range(0, len(rows), CHUNK)
    for number, first in enumerate(chunks):
        prompts = different[first : first + CHUNK]
        asked_for = GenerateRequest(prompt="", seed=seed, first=first, count=len(prompts))
        steps = model.steps(asked_for, prompts)
        latents = yield from followed(steps, model.sampling.steps, number, len(chunks))
        drawn.append(model.decode(latents).cpu())
    return caption_retrieval(features, torch.cat(drawn), images[rows], torch.arange(len(rows)))
