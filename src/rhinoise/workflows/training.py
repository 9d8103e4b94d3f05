"""The stages of a training, in order, and what each leaves to the next.

pictures => autoencoder => kept latents => text encoder => kept embeddings => denoiser => model folder
"""

import copy
import math
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from rhinoise.core.config import to_json
from rhinoise.core.errors import RunFolderError
from rhinoise.core.files import cache_folder, digest
from rhinoise.core.images import grid, to_pil
from rhinoise.core.shapes import Images, TextEmbedding
from rhinoise.data.latents import Arrays, centre, encoded
from rhinoise.evaluation.levels import LevelLoss, loss_by_level
from rhinoise.evaluation.scores import autoencoder_score
from rhinoise.explain.plots import Figure, before_after_figure, loss_figure, save_figure
from rhinoise.nets.autoencoder import CentredAutoencoder
from rhinoise.nets.contrastive import ImageTower
from rhinoise.nets.discriminator import PatchDiscriminator
from rhinoise.nets.features import FEATURES
from rhinoise.nets.fingerprint import fingerprint
from rhinoise.nets.patch_autoencoder import MAX_PATCHES, PatchAutoencoder
from rhinoise.nets.text import TextEncoder
from rhinoise.pipeline.denoiser import Denoiser
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.recipes.recipe import Recipe
from rhinoise.storage.bundle import Bundle
from rhinoise.storage.run_folder import RunFolder
from rhinoise.training.batches import CaptionedBatches, DenoisingBatches, ImageBatches, to_images
from rhinoise.training.checkpoint import under
from rhinoise.training.fit import FitConfig
from rhinoise.training.tasks import AutoencoderTask, ContrastiveTask, DenoisingTask
from rhinoise.workflows.build import build_text_encoder, seeded
from rhinoise.workflows.command import command
from rhinoise.workflows.distil import distilled
from rhinoise.workflows.events import Event, Said, Wrote
from rhinoise.workflows.pictures import Pictures, spread
from rhinoise.workflows.plan import check_latents, check_room, check_text
from rhinoise.workflows.stages import HELD_OUT, Clock, Stage, pictures_at_a_time, run_stage

GLANCES = 5
"""How often a denoiser in training is looked at: held-out loss, samples, the model so far."""
SHOWN = 16
"""Pictures in a grid, half of them held out."""
MEASURED = 128
"""Held-out pictures that a glance measures the loss on."""
CHUNK = 64
"""Pictures or captions that are encoded at a time."""


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


class Training:
    """The stages of one run, and what each leaves to the next."""

    def __init__(
        self,
        run: RunFolder,
        clock: Clock,
        recipe: Recipe,
        pictures: Pictures,
        autoencoder: CentredAutoencoder,
        network: nn.Module,
        start: Bundle | None = None,
    ) -> None:
        """The parts to train; with `start` its text encoder, and what the model is said to come from."""
        self.run, self.clock, self.recipe, self.pictures = run, clock, recipe, pictures
        self.autoencoder, self.network, self.start = autoencoder, network, start
        self.text_encoder = (
            build_text_encoder(recipe.text, pictures.learnt, seed=recipe.seed + 2)
            if start is None
            else start.text_encoder
        )
        self.joint = recipe.text_training == "joint" and isinstance(self.text_encoder, TextEncoder)

    def stages(self) -> Iterator[Event]:
        """All of it, in order."""
        recipe, text_encoder = self.recipe, self.text_encoder
        text = None
        if recipe.text_training == "contrastive" and isinstance(text_encoder, TextEncoder):
            text = self.text_stage(text_encoder)
        yield from self.begin()
        if text is not None:  # what cannot be done is refused before the autoencoder has taken its time
            yield from pictures_at_a_time(self.run, text)
        yield from self.train_autoencoder()
        latents = yield from self.keep_latents()
        check_latents(latents, self.autoencoder)
        if text is not None:
            yield from run_stage(self.run, self.clock, text)
        yield from self.train_denoiser(latents)
        if recipe.distillation is not None:
            yield from distilled(self.run, self.clock, recipe, recipe.distillation, self.pictures.learnt)

    def begin(self) -> Iterator[Event]:
        """Whether parts, room and data are as they should be; what is lost of the captions."""
        recipe, text_encoder = self.recipe, self.text_encoder
        check_text(recipe, text_encoder)
        rows, context = self.pictures.captions.rows, text_encoder.context
        if cut := text_encoder.too_long(rows):
            remedy = f": --set text.context={2 * context} takes more of them in" if self.start is None else ""
            yield Said(
                f"{cut} of {len(rows)} captions are longer than {context} tokens and are cut there{remedy}"
            )
        side, modules = recipe.size // self.autoencoder.factor, [self.autoencoder, self.network, text_encoder]
        numbers = len(self.pictures.prepared) * self.autoencoder.latent_channels * side**2
        check_room(self.run.root, modules, latent_numbers=numbers)
        data = digest(self.pictures.prepared.key, *self.pictures.captions.rows)
        if self.run.recall("data", lambda: data) != data:
            raise RunFolderError(
                f"the pictures or captions have changed since {self.run.root} was begun: put them back, "
                "or train into another --out"
            )

    # ------------------------------------------------------------------------------------------ autoencoder

    def train_autoencoder(self) -> Iterator[Event]:
        """Pictures => pictures through few numbers."""
        recipe, pictures, autoencoder = self.recipe, self.pictures, self.autoencoder
        if not any(parameter.requires_grad for parameter in autoencoder.parameters()):
            return  # latents are pixels
        if isinstance(autoencoder, PatchAutoencoder):
            patches_each = (recipe.size // autoencoder.factor) ** 2
            some = spread(pictures.train, math.ceil(MAX_PATCHES / patches_each))
            autoencoder.start_from(to_images(pictures.prepared.array[some]))
        losses, critic = recipe.losses, None
        if recipe.discriminator is not None and losses.adversarial:
            critic = seeded(recipe.seed + 3, PatchDiscriminator, recipe.discriminator)
        features = FEATURES[losses.perceptual_features]() if losses.perceptual else None
        side = recipe.size // autoencoder.factor
        stage = Stage(
            name="autoencoder",
            task=AutoencoderTask(autoencoder, losses, discriminator=critic, features=features),
            batches=lambda steps: ImageBatches(
                pixels=pictures.prepared.array,
                indices=pictures.train,
                size=recipe.fit_autoencoder.batch,
                seed=recipe.seed,
                steps=steps,
                latent_shape=(autoencoder.latent_channels, side, side),
            ),
            config=recipe.fit_autoencoder,
            images=recipe.images_for("autoencoder"),
            seconds=lambda: recipe.seconds_for("autoencoder"),
            separable=critic is None,  # its norms see the batch as a whole
        )
        yield from run_stage(self.run, self.clock, stage)

    def keep_latents(self) -> Generator[Event, None, Float[np.ndarray, "n c h w"]]:
        """Encode every picture once; centre the autoencoder by what comes out of those that are learnt from.

        One that is centred already stays as it is: a trained denoiser knows its latents so.
        """
        array, autoencoder = self.pictures.prepared.array, self.autoencoder.eval().requires_grad_(False)
        train = self.pictures.train
        yield Said(f"encoding {len(array)} pictures")

        def chunks() -> Iterator[Arrays]:
            for start in range(0, len(array), CHUNK):
                yield {"latents": autoencoder.encode(to_images(array[start : start + CHUNK])).mode.numpy()}

        key = digest("latents", self.pictures.prepared.key, train.tobytes(), fingerprint(autoencoder))

        def finish(arrays: Arrays) -> Arrays:
            if autoencoder.measured:
                return {}
            return dict(zip(("mean", "std"), centre(arrays["latents"], train), strict=True))

        kept = encoded(cache_folder() / "latents", key, len(array), chunks(), finish)
        if not autoencoder.measured:
            autoencoder.set_statistics(
                torch.from_numpy(kept["mean"].copy()), torch.from_numpy(kept["std"].copy())
            )
        yield from self.judge_autoencoder()
        return kept["latents"]

    def judge_autoencoder(self) -> Iterator[Event]:
        """PSNR and SSIM on held-out pictures, and some of them before and after."""
        array, judged = self.pictures.prepared.array, self.pictures.judged
        batches = [to_images(array[judged[i : i + CHUNK]]) for i in range(0, len(judged), CHUNK)]
        score = autoencoder_score(self.reconstruct, batches)
        self.run.note("autoencoder score", asdict(score))
        yield Said(
            f"autoencoder: PSNR {score.psnr:.1f} dB, SSIM {score.ssim:.3f} on {score.pictures} pictures"
        )
        before = batches[0][: SHOWN // 2]
        yield self.figure("autoencoder.png", before_after_figure(before, self.reconstruct(before)))

    @torch.no_grad()
    def reconstruct(self, images: Images) -> Images:
        """Encode, decode."""
        return self.autoencoder.decode(self.autoencoder.encode(images).mode).clamp(-1, 1)

    # ------------------------------------------------------------------------------------------ text

    def text_stage(self, text_encoder: TextEncoder) -> Stage:
        """Captions and pictures that belong together find each other."""
        recipe, pictures = self.recipe, self.pictures
        tower = seeded(
            recipe.seed + 4, ImageTower, recipe.contrastive, pooled_width=text_encoder.pooled_width
        )
        return Stage(
            name="text",
            task=ContrastiveTask(text_encoder, tower),
            batches=lambda steps: CaptionedBatches(
                pixels=pictures.prepared.array,
                indices=pictures.train,
                captions=pictures.captions,
                tokens=text_encoder.tokenize(pictures.captions.rows),
                size=recipe.fit_text.batch,
                seed=recipe.seed,
            ),
            config=recipe.fit_text,
            images=recipe.images_for("text"),
            seconds=lambda: recipe.seconds_for("text"),
            separable=False,
        )

    def keep_embeddings(self) -> Callable[[Int[np.ndarray, "b"]], TextEmbedding]:
        """Encode every caption once => rows to their embeddings."""
        rows, text_encoder = self.pictures.captions.rows, self.text_encoder.eval()

        def chunks() -> Iterator[Arrays]:
            for start in range(0, len(rows), CHUNK):
                with torch.no_grad():
                    text = text_encoder.encode(rows[start : start + CHUNK])
                text = text.to("cpu")  # a model that was looked at has left the encoder on its device
                yield {
                    "tokens": text.tokens.numpy(),
                    "mask": text.mask.numpy(),
                    "pooled": text.pooled.numpy(),
                }

        key = digest("text", text_encoder.fingerprint, *rows)
        kept = encoded(cache_folder() / "text", key, len(rows), chunks())
        return lambda chosen: TextEmbedding(
            **{name: torch.from_numpy(array[chosen]) for name, array in kept.items()}
        )

    # ------------------------------------------------------------------------------------------ denoiser

    def train_denoiser(self, latents: Float[np.ndarray, "n c h w"]) -> Iterator[Event]:
        """Noise the latents, ask for them back; afterwards the model is whole."""
        stage = self.denoiser_stage(
            latents,
            self.network,
            Way(),
            self.recipe.fit_denoiser,
            images=self.recipe.images_for("denoiser"),
            seconds=self.seconds_left,
        )
        yield from run_stage(self.run, self.clock, stage)

    def denoiser_stage(
        self,
        latents: Float[np.ndarray, "n c h w"],
        network: nn.Module,
        way: Way,
        config: FitConfig,
        *,
        images: int | None,
        seconds: Callable[[], float],
    ) -> Stage:
        """The stage that trains `network`."""
        recipe, pictures = self.recipe, self.pictures
        learning = self.text_encoder if self.joint else None
        assert learning is None or isinstance(learning, TextEncoder)
        unconditional: TextEmbedding | Tensor
        text: Callable[[Int[np.ndarray, b]], TextEmbedding | Tensor]
        if learning is not None:
            tokens = learning.tokenize(pictures.captions.rows)
            unconditional, text = learning.tokenize([""]), lambda chosen: tokens[torch.from_numpy(chosen)]
        else:
            with torch.no_grad():
                unconditional, text = self.text_encoder.encode([""]), self.keep_embeddings()
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
            look=lambda average, step: self.look(
                latents, self.model_so_far(network, way, average, step), way
            ),
        )

    def seconds_left(self) -> float:
        """What the other stages left of the budget; where they overran, at least half the denoiser's share.

        Reading pictures for the first time, or a slow disk, must not end a training after its first stages.
        """
        left = self.recipe.seconds_for("total") - self.clock.seconds()
        return max(left, self.recipe.seconds_for("denoiser") / 2)

    def look(
        self, latents: Float[np.ndarray, "n c h w"], model: LatentDiffusion, way: Way
    ) -> Generator[Event, None, dict[str, Any]]:
        """The model so far: saved, measured on held-out pictures, and some drawn => a record for the log."""
        model.save(self.run.model)
        step, losses = model.facts["denoiser_steps"], self.held_out_losses(latents, model)
        mean = sum(level.answer for level in losses) / len(losses)
        yield Said(f"{way.stage} after step {step}: held-out loss {mean:.4f}")
        shown = np.concatenate(
            [spread(chosen, SHOWN // 2) for chosen in (self.pictures.train, self.pictures.judged)]
        )
        captions = self.pictures.first_captions(shown)
        drawn = list(model.illustrate(captions))
        path = self.run.samples / f"{way.samples}{step:07d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        grid(to_pil(torch.cat(drawn)), SHOWN // 2, captions).save(path)
        yield Wrote(path)
        yield self.figure("loss.png", loss_figure(self.run.entries()))
        return {"loss": mean, "levels": [asdict(level) for level in losses]}

    def held_out_losses(
        self, latents: Float[np.ndarray, "n c h w"], model: LatentDiffusion
    ) -> list[LevelLoss]:
        """The model's loss on held-out pictures, by noise level."""
        judged = self.pictures.judged[:MEASURED]
        text = model.embed(self.pictures.first_captions(judged))
        x0 = torch.from_numpy(latents[judged]).to(model.device)
        return loss_by_level(model.denoiser, model.schedule, x0, text)

    def model_so_far(
        self,
        network: nn.Module,
        way: Way,
        average: Mapping[str, Tensor],
        step: int,
    ) -> LatentDiffusion:
        """The averaged weights bound into a model, the ones in training left alone."""
        recipe = self.recipe
        network, text_encoder = copy.deepcopy(network), self.text_encoder
        network.load_state_dict(under("network", average), strict=False)
        if self.joint:
            text_encoder = copy.deepcopy(self.text_encoder)
            text_encoder.load_state_dict(under("text_encoder", average), strict=False)
        dataset, start = self.pictures.prepared.dataset, self.start
        facts: dict[str, Any] = {
            "recipe": recipe.name,
            "size": recipe.size,
            "sampling": to_json(recipe.sampling),
            "pictures": len(self.pictures.train),
            "held_out": len(self.pictures.held_out),
            "denoiser_steps": step,
            "data": {
                "name": dataset.name,
                "digest": self.run.plan()["data"],
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
            autoencoder=self.autoencoder,
            text_encoder=text_encoder,
            network=way.whole(network),
            predicts=recipe.prediction,
            schedule=recipe.schedule,
            facts=facts,
        )
        return LatentDiffusion.of(parts)

    def figure(self, name: str, figure: Figure) -> Wrote:
        """A figure among the run's samples."""
        save_figure(figure, self.run.samples / name)
        return Wrote(self.run.samples / name)
