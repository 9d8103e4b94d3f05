"""What was drawn, in AUTOMATIC1111's words: the `info` of an answer, and what a PNG says."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rhinoise.core.errors import PictureError
from rhinoise.server.a1111.asks import TextAsk
from rhinoise.server.a1111.progress import STAMP
from rhinoise.server.drawing import Form, size_of
from rhinoise.server.store import Job
from rhinoise.storage.provenance import RECORD, parse_parameters, read_provenance


def info(
    ask: TextAsk, model: Mapping[str, Any], made: Sequence[tuple[Job, Path]], form: Form
) -> dict[str, Any]:
    """Of these pictures, each of a job of its own."""
    about = [read_provenance(path) for _, path in made]
    drawn = (about[0].request or {}) if about else {}
    width, height = form.size or (size_of(made[0][1]) if made else (0, 0))
    seeds = [job.request["seed"] for job, _ in made]
    prompts, negatives = [ask.prompt] * len(made), [ask.negative_prompt or ""] * len(made)
    return {
        "prompt": ask.prompt,
        "all_prompts": prompts,
        "negative_prompt": ask.negative_prompt or "",
        "all_negative_prompts": negatives,
        "seed": seeds[0] if seeds else ask.seed,
        "all_seeds": seeds,
        "subseed": -1,
        "all_subseeds": [-1] * len(made),
        "subseed_strength": 0,
        "width": width,
        "height": height,
        "sampler_name": ask.sampler_name or ask.sampler_index or drawn.get("sampler"),
        "cfg_scale": drawn.get("guidance"),
        "steps": drawn.get("steps"),
        "batch_size": ask.batch_size,
        "restore_faces": False,
        "sd_model_name": model["model_name"],
        "sd_model_hash": model["hash"],
        "denoising_strength": getattr(ask, "denoising_strength", None),
        "extra_generation_params": {},
        "index_of_first_image": 0,
        "infotexts": [one.parameters for one in about],
        "styles": [],
        "job_timestamp": time.strftime(STAMP, time.localtime(made[0][0].created)) if made else "0",
        "clip_skip": 1,
        "version": "rhinoise",
    }


def png_info(data: bytes) -> dict[str, Any]:
    """The `parameters` text of a picture, as it is and taken apart; empty where it has none."""
    try:
        found = read_provenance(data)
    except PictureError:  # of another format
        return {"info": "", "items": {}, "parameters": {}}
    text = found.parameters or ""
    parts = parse_parameters(text)
    return {
        "info": text,
        "items": {RECORD: json.dumps(found.request)} if found.request else {},
        "parameters": {"Prompt": parts.prompt, "Negative prompt": parts.negative, **parts.settings}
        if text
        else {},
    }
