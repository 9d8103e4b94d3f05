"""What the worker does for each kind of job: the same workflows as the command line, on the job's folder.

Each takes the request, its names made into paths, and the folder to write to; WORK is the table.
"""

import os
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

from rhinoise.core.config import to_json
from rhinoise.core.errors import ConfigError, PictureError
from rhinoise.workflows.events import Event

Doing = Generator[Event, None, Any]


def draw_request(request: Mapping[str, Any], out: Path) -> Any:
    """A `generate` job => DrawRequest."""
    from rhinoise.workflows.generate import DrawRequest

    fields = {name: value for name, value in request.items() if name not in ("prompt", "preview")}
    fields |= {name: None if fields[name] is None else Path(fields[name]) for name in ("image", "mask")}
    fields["guidance_interval"] = tuple(fields["guidance_interval"])
    return DrawRequest(prompts=(request["prompt"],), out=out, **fields)


def _generate(request: Mapping[str, Any], out: Path) -> Doing:
    from rhinoise.workflows.generate import generate

    return generate(draw_request(request, out))


def _reconstruct(request: Mapping[str, Any], out: Path) -> Doing:
    from rhinoise.workflows.reconstruct import ReconstructRequest, reconstruct

    fields = dict(request)
    return reconstruct(ReconstructRequest(image=Path(fields.pop("image")), out=out, **fields))


def _forward(request: Mapping[str, Any], out: Path) -> Doing:
    from rhinoise.workflows.forward import ForwardRequest, forward

    fields = dict(request)
    model = fields.pop("model")
    model = model if fields.pop("latents") else None
    image = Path(fields.pop("image"))
    return forward(ForwardRequest(image=image, out=out / "strip.png", model=model, **fields))


def _walk(request: Mapping[str, Any], out: Path) -> Doing:
    from rhinoise.workflows.walk import WalkRequest, walk

    fields = dict(request)
    ends = [Path(fields.pop(name)) for name in ("image", "other")]
    return walk(WalkRequest(begin=ends[0], end=ends[1], out=out, **fields))


def _attention(request: Mapping[str, Any], out: Path) -> Doing:
    from rhinoise.workflows.attention import AttentionRequest, attention

    return attention(AttentionRequest(out=out, **request))


def _atlas(request: Mapping[str, Any], out: Path) -> Doing:
    from rhinoise.workflows.atlas import AtlasRequest, atlas

    fields = dict(request)
    words = tuple(fields.pop("words"))
    return atlas(AtlasRequest(run=fields.pop("model"), out=out / "atlas.html", words=words, **fields))


def _landing(request: Mapping[str, Any], out: Path) -> Doing:
    from rhinoise.workflows.landing import LandingRequest, landing

    pictures = tuple(map(Path, request["landed"]))
    asked = LandingRequest(pictures=pictures, atlas=Path(request["atlas"]), model=request["model"])
    try:
        found = yield from landing(asked)
    except PictureError as error:  # they lie in other jobs' folders, of which nothing is told
        text = str(error)
        for folder in {picture.parent for picture in pictures}:
            text = text.replace(f"{folder}{os.sep}", "").replace(str(folder), "its folder")
        raise PictureError(text) from None
    return {"landed": [vars(one) for one in found]}


def _levels(request: Mapping[str, Any], out: Path) -> Doing:
    from rhinoise.workflows.levels import LevelsRequest, levels

    return levels(LevelsRequest(run=request["model"], out=out, pictures=request["pictures"]))


def _inspect(request: Mapping[str, Any], out: Path) -> Doing:
    from rhinoise.workflows.inspect import InspectRequest, inspect

    report = yield from inspect(InspectRequest(out=out, **request))
    return to_json(report)


def _recipe(request: Mapping[str, Any], **more: Any) -> Any:
    """The recipe that is asked for; ConfigError where it would read a folder of this disk, or the hub.

    A model to start from brings its own text encoder, which no setting changes.
    """
    from rhinoise.nets.text.frozen import FROZEN_TEXT
    from rhinoise.recipes.recipe import FrozenTextConfig
    from rhinoise.workflows.choose import choose

    recipe = choose(request["recipe"], request["size"], assignments=request["settings"], **more)
    text = recipe.text
    is_elsewhere = isinstance(text, FrozenTextConfig) and (text.hub or text.model not in FROZEN_TEXT)
    if is_elsewhere and more.get("start") is None:
        raise ConfigError(f"a server takes no text encoder but its own, or {', '.join(FROZEN_TEXT)}")
    return recipe


def _forecast(request: Mapping[str, Any], out: Path) -> Doing:
    from rhinoise.workflows.forecast import ForecastRequest, forecast

    recipe = _recipe(request)
    found = yield from forecast(ForecastRequest(source=request["source"], recipe=recipe))
    return to_json(found)


def _train(request: Mapping[str, Any], out: Path) -> Doing:
    from rhinoise.workflows.train import TrainRequest, train

    recipe = _recipe(
        request,
        start=request["start"],
        minutes=request["minutes"],
        images=request["images"],
        settings={"data.captions": request["captions"], "seed": request["seed"]},
    )
    yield from train(TrainRequest(source=request["source"], out=out, recipe=recipe, start=request["start"]))


WORK: Mapping[str, Callable[[Mapping[str, Any], Path], Doing]] = {
    "generate": _generate,
    "reconstruct": _reconstruct,
    "forward": _forward,
    "walk": _walk,
    "attention": _attention,
    "atlas": _atlas,
    "landing": _landing,
    "levels": _levels,
    "inspect": _inspect,
    "forecast": _forecast,
    "train": _train,
}
