"""What all that draws does with a request: completes it, follows it, tells of it and writes it down."""

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from itertools import chain, count
from pathlib import Path
from typing import Any

import torch

import rhinoise
from rhinoise.core.shapes import Images, Latents
from rhinoise.diffusion.samplers import Step
from rhinoise.pipeline.latent_diffusion import LatentDiffusion, batches
from rhinoise.pipeline.request import GenerateRequest
from rhinoise.storage.provenance import EDITED, GENERATED, parameters_text
from rhinoise.workflows.events import Event, Progress

NAME_LENGTH = 50
"""Letters of a prompt that go into a file's name."""


def resolved(request: GenerateRequest, model: LatentDiffusion) -> GenerateRequest:
    """The request with the model's defaults written into it."""
    own = model.sampling
    return replace(
        request,
        steps=own.steps if request.steps is None else request.steps,
        guidance=own.guidance if request.guidance is None else request.guidance,
        sampler=request.sampler or own.sampler,
        spacing=request.spacing or own.spacing,
    )


def how(one: GenerateRequest) -> str:
    """The settings of a resolved request, in words."""
    words = f"{one.sampler}, {one.steps} steps, guidance {one.guidance:g}, seed {one.seed}"
    return words if one.image is None else f"{words}, strength {one.strength:g}"


def followed(
    steps: Iterator[Step], each: int, place: int = 0, places: int = 1
) -> Generator[Event, None, Latents]:
    """Tell of every step of a sampler that takes `each`; its last latents. It is run `place` of `places`."""
    for done, step in enumerate(steps, start=each * place + 1):
        latents = step.x
        yield Progress(stage="drawing", done=done, total=each * places)
    return latents


def finished(
    model: LatentDiffusion, requests: Sequence[GenerateRequest]
) -> Generator[Event, None, list[Images]]:
    """The pictures of each of these resolved requests, drawn one after the other."""
    parts = [(number, part) for number, one in enumerate(requests) for part in batches(one)]
    made: list[list[Images]] = [[] for _ in requests]
    for place, (number, part) in enumerate(parts):
        latents = yield from followed(model.steps(part), len(model.levels(part)) - 1, place, len(parts))
        made[number].append(model.finish(part, latents).cpu())
    return [torch.cat(images) for images in made]


def provenance(
    request: GenerateRequest, model: LatentDiffusion, index: int, image: Path | None = None
) -> Mapping[str, Any]:
    """What `write_png` wants to know of picture `index` of a resolved request.

    Without an image, GenerateRequest(**request) of what is written draws that picture again.
    """
    model_hash = model.facts.get("hash", "")
    text = parameters_text(
        request.prompt,
        request.negative,
        {
            "Steps": request.steps,
            "Sampler": request.sampler,
            "Schedule type": request.spacing,
            "CFG scale": request.guidance,
            "Seed": request.seed,
            "Index": index or None,
            "Size": f"{model.size}x{model.size}",
            "Model hash": model_hash[:10] or None,
            "Model": model.facts.get("recipe"),
            "Denoising strength": None if request.image is None else request.strength,
            "Version": f"rhinoise {rhinoise.__version__}",
        },
    )
    record = {
        field.name: getattr(request, field.name)
        for field in fields(request)
        if field.name not in ("image", "mask")
    }
    record |= {"first": index, "count": 1} | ({} if image is None else {"image": image.name})
    return {
        "parameters": text,
        "request": record,
        "model_hash": model_hash,
        "source": GENERATED if request.image is None else EDITED,
    }


def stems(prompts: Sequence[str]) -> list[str]:
    """A file name's beginning per prompt, no two alike."""
    stems: list[str] = []
    for prompt in prompts:
        name = re.sub(r"\W+", "-", prompt.lower()).strip("-")[:NAME_LENGTH].strip("-") or "picture"
        numbered = chain([name], (f"{name}-{i}" for i in count(2)))
        stems.append(next(stem for stem in numbered if stem not in stems))
    return stems
