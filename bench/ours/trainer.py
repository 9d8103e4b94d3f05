"""Our training steps, as a recipe takes them: batches, forward, backward, clipping, the optimizer."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

from bench.child import serve
from bench.ours.models import MATCHED
from bench.timing import seconds_each
from rhinoise.core.files import write_json
from rhinoise.core.shapes import TextEmbedding
from rhinoise.diffusion.objective import ObjectiveConfig
from rhinoise.diffusion.schedules import ScheduleConfig
from rhinoise.nets.text import TextConfig
from rhinoise.nets.transformer import TransformerConfig
from rhinoise.pipeline.denoiser import Denoiser
from rhinoise.recipes import RECIPES
from rhinoise.recipes.recipe import Recipe
from rhinoise.storage.index import WEIGHTS
from rhinoise.storage.names import UNET_NAMES, to_diffusers, unet_to_diffusers
from rhinoise.training.batches import Batches, Captions, DenoisingBatches, ImageBatches
from rhinoise.training.engine import Compiler, Engine
from rhinoise.training.fit import FitConfig, learning_rate
from rhinoise.training.tasks import AutoencoderTask, DenoisingTask
from rhinoise.workflows.defaults import DEFAULT_RECIPE
from rhinoise.workflows.stages.build import build

PICTURES, TOKENS = 64, 16
STEPS = 1000
SIZE = 64
PROBE = "probe.safetensors"


class Training:
    """A task, its engine and its batches, somewhere in the middle of a training."""

    def __init__(self, task: torch.nn.Module, batches: Batches, config: FitConfig) -> None:
        self.task, self.batches, self.config, self.step = task, batches, config, 0
        self.engine = Engine(
            task,
            optimizer=config.optimizer,
            weight_decay=config.weight_decay,
            clip=config.clip,
            precision=config.precision,
            compiler=config.compiler,
        )

    def advance(self, done: float = 0.5) -> None:
        """One optimizer step, when so much of the training is done: the learning rate hangs on it."""
        rate = learning_rate(self.config, int(STEPS * done), STEPS)
        losses, _ = self.engine.step([(self.batches.at(self.step), 1.0)], rate)
        float(losses["loss"])
        self.step += 1


def _matched(batch: int, folder: str) -> Training:
    """The U-Net that the peer trains too: its folder for the peer, with a question and our answer."""
    network = build(MATCHED, seed=0).float()
    _write_for_peer(network, Path(folder))
    schedule = ScheduleConfig(name="scaled_linear").build()
    task = DenoisingTask(
        Denoiser(network, "epsilon"),
        schedule,
        ObjectiveConfig(),
        unconditional=_texts(1, MATCHED.cross_attention_dim),
    )
    shape = (MATCHED.in_channels, MATCHED.sample_size, MATCHED.sample_size)
    config = FitConfig(batch=batch, learning_rate=1e-4)
    return Training(task, _latents(shape, MATCHED.cross_attention_dim, config), config)


def _write_for_peer(network: torch.nn.Module, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"_class_name": "UNet2DConditionModel"} | unet_to_diffusers(MATCHED)
    write_json(folder / "config.json", settings)
    save_file(to_diffusers(network.state_dict(), UNET_NAMES), folder / WEIGHTS)
    x, time_ = torch.randn(2, MATCHED.in_channels, 16, 16), torch.tensor([10.0, 900.0])
    text = _texts(2, MATCHED.cross_attention_dim)
    with torch.no_grad():
        answer = network(x, time_, text)
    save_file({"x": x, "time": time_, "text": text.tokens, "answer": answer}, folder / PROBE)


def _denoiser(batch: int) -> Training:
    """The denoiser of the default recipe."""
    return denoiser(RECIPES[DEFAULT_RECIPE](SIZE), batch)


def denoiser(recipe: Recipe, batch: int = 0) -> Training:
    """A recipe's denoiser on random latents; `batch` 0 is the recipe's own."""
    network, autoencoder = build(recipe.network, seed=0), build(recipe.autoencoder, seed=0)
    side = recipe.size // autoencoder.factor
    config = replace(recipe.fit_denoiser, batch=batch or recipe.fit_denoiser.batch)
    assert isinstance(recipe.text, TextConfig)
    width = recipe.text.width
    latents = _latents((autoencoder.latent_channels, side, side), width, config)
    return Training(denoising(recipe, network, _texts(1, width)), latents, config)


def denoising(recipe: Recipe, network: torch.nn.Module, unconditional: TextEmbedding) -> DenoisingTask:
    """The denoiser's task, as the recipe states it."""
    return DenoisingTask(
        Denoiser(network, recipe.prediction),
        recipe.schedule.build(),
        recipe.objective,
        unconditional=unconditional,
    )


def _large(batch: int, compiler: Compiler) -> Training:
    """A transformer of 130 M weights on latents of 32 x 32 x 4, 256 tokens a picture: what fills a GPU."""
    width = 768
    network = TransformerConfig(
        sample_size=32,
        channels=4,
        patch_size=2,
        width=width,
        depth=12,
        heads=12,
        text="in_context",
        text_width=width,
    )
    recipe = RECIPES[DEFAULT_RECIPE](SIZE)
    task = denoising(recipe, build(network, seed=0), _texts(1, width))
    config = replace(recipe.fit_denoiser, batch=batch, compiler=compiler)
    return Training(task, _latents((4, 32, 32), width, config), config)


def _autoencoder(batch: int) -> Training:
    """The autoencoder of the default recipe."""
    recipe = RECIPES[DEFAULT_RECIPE](SIZE)
    autoencoder = build(recipe.autoencoder, seed=0)
    side = SIZE // autoencoder.factor
    config = replace(recipe.fit_autoencoder, batch=batch or recipe.fit_autoencoder.batch)
    batches = ImageBatches(
        pixels=np.random.default_rng(0).integers(0, 256, (PICTURES, 3, SIZE, SIZE), dtype=np.uint8),
        indices=np.arange(PICTURES),
        size=config.batch,
        seed=0,
        steps=1000,
        latent_shape=(autoencoder.latent_channels, side, side),
    )
    return Training(AutoencoderTask(autoencoder, recipe.losses), batches, config)


def _latents(shape: tuple[int, int, int], text_width: int, config: FitConfig) -> Batches:
    """Batches of random latents and texts."""
    latents = np.random.default_rng(0).standard_normal((PICTURES, *shape), dtype=np.float32)
    texts = _texts(PICTURES, text_width)
    return DenoisingBatches(
        latents=latents,
        indices=np.arange(PICTURES),
        captions=Captions.of([["a picture"]] * PICTURES),
        text=lambda rows: texts[torch.from_numpy(rows)],
        size=config.batch,
        seed=0,
        caption_dropout=0.1,
    )


def _texts(count: int, width: int) -> TextEmbedding:
    return TextEmbedding(
        tokens=torch.randn(count, TOKENS, width),
        mask=torch.ones(count, TOKENS, dtype=torch.bool),
        pooled=torch.randn(count, width),
    )


TRAININGS: dict[str, Callable[..., Training]] = {
    "matched": _matched,
    "denoiser": _denoiser,
    "large": _large,
    "autoencoder": _autoencoder,
}
running: dict[str, Training] = {}


def start(name: str, batch: int = 0, **more: Any) -> dict[str, Any]:
    """Begin a training => its batch, its weights, and GFLOP of a picture, forward and backward.

    Compiled steps are not counted: count them as they are.
    """
    training = TRAININGS[name](batch, **more)
    running[name] = training
    with FlopCounterMode(display=False) as counted:
        training.advance()
    return {
        "batch": training.config.batch,
        "weights": sum(p.numel() for p in training.task.parameters()),
        "gflop": counted.get_total_flops() / training.config.batch / 1e9,
    }


def train(name: str, seconds: float) -> float:
    """Images per second."""
    training = running[name]
    return training.config.batch / seconds_each(training.advance, seconds)


if __name__ == "__main__":
    torch.manual_seed(0)
    serve({"start": start, "train": train})
