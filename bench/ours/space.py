"""The same denoiser on latents and on pixels: what a step and a picture cost, what is learnt in some seconds.

Where latents are pixels the autoencoder changes nothing, so that all of this is one and the same code.
"""

import resource
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
import psutil
import torch

from bench.child import serve
from bench.ours.models import bundle
from bench.ours.trainer import Training, denoiser, denoising
from bench.timing import seconds_each
from rhinoise.core.files import cache_folder
from rhinoise.core.images import from_uint8
from rhinoise.data.latents import centre
from rhinoise.data.pixels import Preparation, Prepared, preparing
from rhinoise.data.sources import open_dataset
from rhinoise.evaluation.distribution import kernel_distance
from rhinoise.evaluation.spaces import embedded, open_space
from rhinoise.nets.autoencoder import IdentityConfig
from rhinoise.nets.uvit import UViTConfig
from rhinoise.pipeline.latent_diffusion import BATCH, LatentDiffusion
from rhinoise.pipeline.request import GenerateRequest
from rhinoise.recipes import RECIPES
from rhinoise.recipes.recipe import Recipe
from rhinoise.training.batches import Captions, DenoisingBatches, ImageBatches, to_images
from rhinoise.training.ema import Ema
from rhinoise.training.tasks import AutoencoderTask
from rhinoise.workflows.defaults import DEFAULT_RECIPE
from rhinoise.workflows.stages.build import build, build_text_encoder

SIZE = 64
SOURCE = "emoji"
CHUNK = 64
STEPS = 10
"""Steps of the sampler for the pictures that are judged; no guidance, for untrained texts."""
FEATURES = "efficientnet_lite0"
REFERENCE = 512
"""Real pictures that drawn ones are compared with."""


def _latents() -> Recipe:
    return RECIPES[DEFAULT_RECIPE](SIZE)


def _pixels(fold: int) -> Recipe:
    """The recipe without an autoencoder, `fold` x `fold` pixels folded into one on their way in."""
    recipe = _latents()
    assert isinstance(recipe.network, UViTConfig)
    network = replace(recipe.network, sample_size=SIZE, channels=3, patch_size=fold)
    return replace(recipe, autoencoder=IdentityConfig(), network=network)


SPACES = {"latents": _latents, "folded": lambda: _pixels(4), "pixels": lambda: _pixels(1)}
running: dict[str, Any] = {}


def start(space: str) -> dict[str, float]:
    """Make the denoiser => its weights, and the bytes of a batch of what it learns from."""
    running["memory"] = psutil.Process().memory_info().rss
    running["training"] = training = denoiser(SPACES[space]())
    running["space"] = space
    return {
        "weights": sum(p.numel() for p in training.task.parameters()),
        "bytes": training.batches.at(0).x0.nbytes,
    }


def train(seconds: float) -> dict[str, float]:
    """Seconds of a step, and the most memory so far in MiB, above what the process began with."""
    return {"seconds": seconds_each(running["training"].advance, seconds), "memory": _most_memory()}


def _most_memory() -> float:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 2**10)
    return (most - running["memory"]) / 2**20


def draw(seconds: float) -> float:
    """Seconds to draw a picture, as the recipe draws, from the prompt to pixels."""
    if "model" not in running:
        running["model"] = LatentDiffusion.of(bundle(SPACES[running["space"]]()))
    request = GenerateRequest(prompt="a red heart")
    return seconds_each(lambda: running["model"].generate(request), seconds)


# ------------------------------------------------------------------------------------------------- quality


def learn(space: str, seconds: float, samples: int) -> dict[str, float]:
    """Train for so long, autoencoder and encoding counted => pictures seen, and KID of drawn ones, x 1000.

    Captions are told by an encoder with random weights, which names each of them; nobody trains it.
    """
    recipe, prepared = SPACES[space](), _pictures()
    half, _ = _halves(prepared)
    pixels, everything = np.array(prepared.array[half]), np.arange(len(half))
    captions = Captions.of([prepared.dataset.examples[row].captions[:1] for row in half])
    texts = build_text_encoder(recipe.text, captions.rows, seed=0).eval()
    with torch.no_grad():
        told, nothing = texts.encode(captions.rows), texts.encode([""])

    began = time.perf_counter()
    autoencoder = build(recipe.autoencoder, seed=0)
    if any(parameter.requires_grad for parameter in autoencoder.parameters()):
        share = recipe.shares.autoencoder / (recipe.shares.autoencoder + recipe.shares.denoiser)
        _train_autoencoder(autoencoder, recipe, pixels, share * seconds)
    latents = _encode(autoencoder, pixels)
    prepared_seconds = time.perf_counter() - began
    training = Training(
        denoising(recipe, build(recipe.network, seed=0), nothing),
        DenoisingBatches(
            latents=latents,
            indices=everything,
            captions=captions,
            text=lambda rows: told[torch.from_numpy(rows)],
            size=recipe.fit_denoiser.batch,
            seed=0,
            caption_dropout=recipe.caption_dropout,
        ),
        recipe.fit_denoiser,
    )
    _train_for(training, seconds - prepared_seconds)
    taken = time.perf_counter() - began

    network = training.engine.module.network
    assert isinstance(network, torch.nn.Module)
    model = LatentDiffusion.of(bundle(recipe, autoencoder, network, texts))
    asked = np.linspace(0, len(half) - 1, samples).astype(int)
    requests = [
        GenerateRequest(prompt=captions.rows[row], first=index, steps=STEPS, guidance=1.0)
        for index, row in enumerate(asked)
    ]
    drawn = [_drawn(model, requests[start : start + BATCH]) for start in range(0, samples, BATCH)]
    facts = {"pictures": training.step * training.batches.size, "seconds": taken}
    return facts | judge(torch.cat(drawn))


def _drawn(model: LatentDiffusion, requests: list[GenerateRequest]) -> torch.Tensor:
    *_, last = model.steps(*requests)
    return model.decode(last.x).cpu()


def real(samples: int) -> dict[str, float]:
    """KID of real pictures that are in no reference: what nobody can do better than."""
    prepared = _pictures()
    rows, _ = _halves(prepared)
    return judge(from_uint8(torch.from_numpy(np.array(prepared.array[rows[:samples]]))))


def judge(images: torch.Tensor) -> dict[str, float]:
    """KID of pictures from the real ones that nobody trains on, and its standard error, both x 1000."""
    prepared, space = _pictures(), open_space(FEATURES)
    _, rows = _halves(prepared)
    reference = from_uint8(torch.from_numpy(np.array(prepared.array[rows[:REFERENCE]])))
    kid = kernel_distance(embedded(space, images), embedded(space, reference))
    return {"kid": 1000 * kid.mean, "error": 1000 * kid.error}


def _pictures() -> Prepared:
    """All of them, rendered once and kept."""
    work = preparing(open_dataset(SOURCE), Preparation(size=SIZE), cache_folder() / "pictures")
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def _halves(prepared: Prepared) -> tuple[np.ndarray, np.ndarray]:
    """What is learnt from, and what drawn pictures are compared with: halves, by chance."""
    order = np.random.default_rng(0).permutation(len(prepared.array))
    return order[: len(order) // 2], order[len(order) // 2 :]


def _train_autoencoder(autoencoder: Any, recipe: Recipe, pixels: np.ndarray, seconds: float) -> None:
    autoencoder.start_from(to_images(pixels[:256]))
    side = recipe.size // autoencoder.factor
    pictures = ImageBatches(
        pixels=pixels,
        indices=np.arange(len(pixels)),
        size=recipe.fit_autoencoder.batch,
        seed=0,
        steps=1,
        latent_shape=(autoencoder.latent_channels, side, side),
    )
    training = Training(AutoencoderTask(autoencoder, recipe.losses), pictures, recipe.fit_autoencoder)
    _train_for(training, seconds)


@torch.no_grad()
def _encode(autoencoder: Any, pixels: np.ndarray) -> np.ndarray:
    """Every picture's latent; the autoencoder is centred by them."""
    autoencoder.to("cpu").eval().requires_grad_(False)
    chunks = (pixels[start : start + CHUNK] for start in range(0, len(pixels), CHUNK))
    latents = np.concatenate([autoencoder.encode(to_images(chunk)).mode.numpy() for chunk in chunks])
    autoencoder.set_statistics(*map(torch.from_numpy, centre(latents, np.arange(len(latents)))))
    return latents


def _train_for(training: Training, seconds: float) -> None:
    """Whole steps until the time is over; the averaged weights are what stays."""
    began, average = time.perf_counter(), Ema(training.engine.trained, training.config.ema_width)
    while (gone := time.perf_counter() - began) < seconds:
        training.advance(gone / seconds)
        average.update(training.engine.trained, training.step)
    training.engine.module.load_state_dict(average.average, strict=False)


if __name__ == "__main__":
    torch.manual_seed(0)
    serve({"start": start, "train": train, "draw": draw, "learn": learn, "real": real})
