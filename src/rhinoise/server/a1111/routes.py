"""The routes of /sdapi/v1 that draw, or say how far that is."""

import base64
import json
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rhinoise.core.errors import ConfigError
from rhinoise.server.a1111.asks import (
    IMAGE_IGNORED,
    MODEL_OPTION,
    OPTIONS_IGNORED,
    RESIZES,
    TEXT_IGNORED,
    ImageAsk,
    TextAsk,
)
from rhinoise.server.a1111.desk import Desk
from rhinoise.server.a1111.info import info, png_info
from rhinoise.server.a1111.lists import lists
from rhinoise.server.a1111.names import sampling
from rhinoise.server.a1111.progress import progress
from rhinoise.server.asks import SENT, GenerateAsk, any_seed
from rhinoise.server.drawing import Form, Size, check_size, encoded, pictures, size_of
from rhinoise.server.errors import NotDrawnError
from rhinoise.server.given import filled, mask_of_brightness
from rhinoise.server.ignored import Harmless, ignored_header, passed_over
from rhinoise.server.pictures import from_text
from rhinoise.server.queue.jobs import Jobs
from rhinoise.server.refusals import FOREIGN_REFUSALS, NOT_THERE
from rhinoise.server.settings import Limits

log = logging.getLogger(__name__)

SOURCE = "a1111"
ANY_SEED = -1


class PngAsk(BaseModel):
    """A picture that is asked what it says of itself."""

    image: str


def router(jobs: Jobs) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["AUTOMATIC1111"], responses=FOREIGN_REFUSALS)
    desk = Desk(jobs)
    routes.include_router(lists(desk))

    @routes.post("/txt2img")
    async def txt2img(ask: TextAsk, request: Request) -> Response:
        """Pictures from words."""
        return await _answered(desk, request, ask, {}, TEXT_IGNORED)

    @routes.post("/img2img")
    async def img2img(ask: ImageAsk, request: Request) -> Response:
        """Pictures from words and a picture, the whole of it or inside a mask."""
        files = await run_in_threadpool(_given, ask, jobs.config.limits)
        return await _answered(desk, request, ask, files, IMAGE_IGNORED)

    @routes.get("/progress")
    async def how_far(skip_current_image: bool = False) -> dict[str, Any]:
        """How far the request is that is being drawn, with its last preview."""
        return progress(jobs, desk.under_way, not skip_current_image)

    @routes.post("/interrupt")
    async def interrupt() -> dict[str, Any]:
        """End the request that is being drawn; it is answered with the pictures that are done."""
        desk.interrupt()
        return {}

    @routes.post("/skip")
    async def skip() -> None:
        """End the picture that is being drawn, and go on with the next of the request."""
        desk.skip()

    @routes.post("/png-info")
    async def told(ask: PngAsk) -> dict[str, Any]:
        """What a picture says of itself."""
        return await run_in_threadpool(lambda: png_info(from_text(ask.image, jobs.config.limits)))

    return routes


def _given(ask: ImageAsk, limits: Limits) -> dict[str, bytes]:
    """The picture and the mask as our own requests take them."""
    if not ask.init_images:
        raise HTTPException(NOT_THERE, "init_images holds no picture: send one")
    if len(ask.init_images) > 1:
        raise ConfigError(f"init_images holds {len(ask.init_images)} pictures: send one at a time")
    size, fill = _size(ask, limits), RESIZES[ask.resize_mode]
    files = {"image": filled(from_text(ask.init_images[0], limits), size, fill)}
    if ask.mask:
        data = from_text(ask.mask, limits)
        files["mask"] = mask_of_brightness(
            data, size, fill, invert=ask.inpainting_mask_invert, blur=ask.mask_blur
        )
    return files


def _size(ask: TextAsk, limits: Limits) -> Size | None:
    """What is asked for; of one side alone, a square; None: the model's own."""
    width, height = ask.width or ask.height, ask.height or ask.width
    if width is None or height is None:
        return None
    check_size((width, height), limits)
    return width, height


def _asks(desk: Desk, ask: TextAsk, files: Mapping[str, bytes]) -> list[GenerateAsk]:
    """A request of our own for each picture, their seeds one after the other."""
    if ask.pictures > (most := desk.jobs.config.limits.count):
        raise ConfigError(f"{ask.pictures} pictures are more than the {most} that are drawn at a time")
    title = (ask.override_settings or {}).get(MODEL_OPTION)
    sampler, spacing = sampling(ask.sampler_name or ask.sampler_index, ask.scheduler)
    seed = any_seed() if ask.seed in (None, ANY_SEED) else ask.seed
    one = GenerateAsk(
        prompt=ask.prompt,
        negative=ask.negative_prompt or "",
        model=desk.name_of(str(title)) if title else desk.current,
        steps=ask.steps,
        guidance=ask.cfg_scale,
        sampler=sampler,
        spacing=spacing,
        preview=True,
        paste="mask" in files,
        strength=ask.denoising_strength if isinstance(ask, ImageAsk) else None,
        image=SENT if "image" in files else None,
        mask=SENT if "mask" in files else None,
    )
    return [one.model_copy(update={"seed": seed + index}) for index in range(ask.pictures)]


async def _answered(
    desk: Desk,
    request: Request,
    ask: TextAsk,
    files: Mapping[str, bytes],
    harmless: Harmless,
) -> Response:
    jobs, form = desk.jobs, Form(size=_size(ask, desk.jobs.config.limits))
    overridden = dict(ask.override_settings or {})
    is_named = bool(overridden.pop(MODEL_OPTION, None))
    ignored = passed_over(ask.model_extra or {}, harmless) + passed_over(overridden, OPTIONS_IGNORED)
    if desk.is_gone and not is_named:
        log.warning("the model that a client chose is gone: the first draws", extra={"model": desk.chosen})
        ignored.append(MODEL_OPTION)
    accepted = await jobs.submit_all(_asks(desk, ask, files), files=files, source=SOURCE)
    model = desk.record(accepted[0].request["model"])
    found = await desk.ended(accepted, request)
    for job in found:
        if job.state not in ("done", "cancelled"):  # it failed, or the server is ending
            raise NotDrawnError(job)

    def answer() -> Response:
        made = [(job, path) for job in found if job.state == "done" for path in pictures(jobs, job)]
        images = [base64.b64encode(encoded(path, form)).decode() for _, path in made if ask.send_images]
        left_out = () if isinstance(ask, ImageAsk) and ask.include_init_images else ("init_images", "mask")
        told = {
            "images": images,
            # Numbers that JSON cannot hold are null.
            "parameters": json.loads(ask.model_dump_json(exclude=set(left_out))),
            "info": json.dumps(info(ask, model, made, form)),
        }
        drawn = size_of(made[0][1]) if made else None
        return JSONResponse(told, headers=ignored_header(ignored) | form.header(drawn))

    return await run_in_threadpool(answer)
