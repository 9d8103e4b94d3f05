"""Our pipeline: a model folder opened, and pictures drawn from it."""

from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.child import serve
from bench.ours.models import save
from bench.timing import seconds_each
from rhinoise.core.random import INITIAL, noise_source
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.pipeline.request import GenerateRequest

PROMPT, SEED = "a rhinoceros, openmoji style", 5
opened: dict[str, Any] = {}


def start(recipe: str, size: int, folder: str) -> dict[str, Any]:
    """Write a model's folder and open it => how it draws, as the peer must be told."""
    save(recipe, size, folder)
    opened["model"] = LatentDiffusion.load(folder)
    opened["folder"] = folder
    sampling = opened["model"].sampling
    return {"prompt": PROMPT, "steps": sampling.steps, "guidance": sampling.guidance}


def first_latents(count: int, file: str) -> None:
    """What the pictures of `count` start from, for the peer."""
    model = opened["model"]
    np.save(file, noise_source(SEED, range(count), model.latent_shape(model.size))(INITIAL).numpy())


def gflop(count: int, steps: int = 0) -> float:
    """The arithmetic of drawing so many pictures, in GFLOP."""
    with FlopCounterMode(display=False) as counted:
        opened["model"].generate(_request(count, steps))
    return counted.get_total_flops() / 1e9


def draw(count: int, seconds: float, steps: int = 0) -> float:
    """Seconds to draw so many pictures as one batch, from the prompt to pixels; nothing is drawn before."""
    return seconds_each(lambda: opened["model"].generate(_request(count, steps)), seconds, warm_up=0)


def pictures(count: int, precision: str, file: str) -> None:
    """Draw into a file, "count 3 H W" in [-1, 1]."""
    model = LatentDiffusion.load(opened["folder"], precision=precision)  # type: ignore[arg-type]
    np.save(file, model.generate(_request(count, 0)).numpy())


def _request(count: int, steps: int) -> GenerateRequest:
    return GenerateRequest(prompt=PROMPT, seed=SEED, count=count, steps=steps or None)


if __name__ == "__main__":
    torch.manual_seed(0)
    serve(
        {
            "start": start,
            "first_latents": first_latents,
            "gflop": gflop,
            "draw": draw,
            "pictures": pictures,
        }
    )
