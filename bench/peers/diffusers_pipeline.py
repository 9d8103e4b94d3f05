"""Stock diffusers: StableDiffusionPipeline opens a folder of ours and draws from the same first latents."""

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from diffusers.utils import logging

from bench.child import serve
from bench.timing import seconds_each

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
opened = {}


def start(folder: str, tuned: bool, **asked: object) -> None:
    """Open it in bf16, in both memory formats.

    `asked` is the prompt, steps and guidance; `tuned` asks for our memory settings.
    """
    if tuned:
        from rhinoise.core.backend import tune_allocator

        tune_allocator()
    logging.disable_progress_bar()
    opened.update(asked, folder=folder)
    for name in FORMATS:
        opened[name] = _open(torch.bfloat16, name)


def draw(layout: str, latents: str, seconds: float) -> float:
    """Seconds to draw a batch, from the prompt to pixels; nothing is drawn before."""
    return seconds_each(lambda: _draw(opened[layout], latents), seconds, warm_up=0)


def pictures(dtype: str, latents: str, file: str) -> None:
    """Draw into a file, "count 3 H W" in [-1, 1]."""
    pipeline = _open(getattr(torch, dtype), "contiguous")
    np.save(file, _draw(pipeline, latents).float().cpu().numpy() * 2 - 1)


def _open(dtype: torch.dtype, layout: str) -> StableDiffusionPipeline:
    pipeline = StableDiffusionPipeline.from_pretrained(opened["folder"], dtype=dtype)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.unet.to(memory_format=FORMATS[layout])
    pipeline.vae.to(memory_format=FORMATS[layout])
    return pipeline.to("cuda" if torch.cuda.is_available() else "cpu")


def _draw(pipeline: StableDiffusionPipeline, latents: str) -> torch.Tensor:
    first = torch.from_numpy(np.load(latents)).to(pipeline.device, pipeline.unet.dtype)
    return pipeline(
        opened["prompt"],
        negative_prompt="",
        num_images_per_prompt=len(first),
        num_inference_steps=opened["steps"],
        guidance_scale=opened["guidance"],
        latents=first,
        output_type="pt",
    ).images


if __name__ == "__main__":
    serve({"start": start, "draw": draw, "pictures": pictures})
