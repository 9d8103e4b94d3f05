"""The routes of /v1."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, Body
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.requests import Request
from starlette.responses import Response

from rhinoise.core.errors import ConfigError, PictureError
from rhinoise.core.files import replacing
from rhinoise.server.asks import SENT, GenerateAsk
from rhinoise.server.drawing import Form, Size, check_size, encoded, ended, own_size, pictures, size_of
from rhinoise.server.errors import NotDrawnError
from rhinoise.server.given import filled, mask_of_transparency, same_size
from rhinoise.server.ignored import ignored_header, passed_over
from rhinoise.server.openai.asks import IGNORED, GenerationAsk, ImagesAsk
from rhinoise.server.openai.stream import EDIT, GENERATION, lines
from rhinoise.server.pictures import checked
from rhinoise.server.queue.jobs import Jobs
from rhinoise.server.settings import FORM_LIMITS, Limits

SOURCE = "openai"
A = TypeVar("A", bound=ImagesAsk)


def router(jobs: Jobs) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["OpenAI"])

    @routes.post("/images/generations")
    async def generations(ask: Annotated[GenerationAsk, Body()], request: Request) -> Response:
        """Pictures from words."""
        return await _answered(jobs, request, ask, ask.drawing(ask.prompt), {}, GENERATION)

    @routes.post("/images/edits", openapi_extra=_form_of(GenerationAsk, "mask"))
    async def edits(request: Request) -> Response:
        """A picture drawn anew, the whole of it or where the mask is transparent."""
        ask, files = await _sent(jobs, request, GenerationAsk, ("image", "mask"))
        wanted = ask.drawing(ask.prompt, **dict.fromkeys(files, SENT), paste="mask" in files)
        return await _answered(jobs, request, ask, wanted, files, EDIT)

    @routes.post("/images/variations", openapi_extra=_form_of(ImagesAsk))
    async def variations(request: Request) -> Response:
        """Pictures like one that was sent."""
        ask, files = await _sent(jobs, request, ImagesAsk, ("image",))
        # Without words there is nothing to guide to.
        return await _answered(jobs, request, ask, ask.drawing("", image=SENT, guidance=1.0), files, EDIT)

    @routes.get("/models")
    async def models() -> dict[str, Any]:
        """What `model` may be; the first is the default."""
        return {"object": "list", "data": [_model(name) for name in jobs.registry.models()]}

    @routes.get("/models/{name}")
    async def model(name: str) -> dict[str, Any]:
        """One of them."""
        return _model(jobs.registry.model(name))

    return routes


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "rhinoise"}


def _form_of(kind: type[ImagesAsk], *others: str) -> dict[str, Any]:
    """What the OpenAPI document says of a form, which is read by `_sent`."""
    schema = kind.model_json_schema()
    picture = {"type": "string", "format": "binary"}
    schema["properties"] |= dict.fromkeys(("image", *others), picture)
    schema["required"] = [*schema.get("required", ()), "image"]
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


async def _sent(
    jobs: Jobs, request: Request, kind: type[A], wanted: Sequence[str]
) -> tuple[A, dict[str, bytes]]:
    """What a form asks for, and its pictures as our own requests take them."""
    limits = jobs.config.limits
    fields: dict[str, str] = {}
    files: dict[str, bytes] = {}
    async with request.form(**FORM_LIMITS) as form:
        for name, value in form.multi_items():
            field = "image" if name == "image[]" else name
            if isinstance(value, str):
                fields[name] = value
            elif field not in wanted or field in files:
                raise ConfigError(f"{name[:100]}: wanted one picture each of {', '.join(wanted)}")
            else:
                files[field] = await value.read(limits.upload_bytes + 1)
    ask = kind.model_validate(fields)
    if "image" not in files:
        raise PictureError("image: send a picture, as a file of a form (multipart/form-data)")
    wanted_form = ask.form()
    check_size(wanted_form.size, limits, wanted_form.format)
    return ask, await run_in_threadpool(_prepared, files, wanted_form.size, limits)


def _prepared(files: Mapping[str, bytes], size: Size | None, limits: Limits) -> dict[str, bytes]:
    for data in files.values():
        checked(data, limits)
    prepared = {"image": filled(files["image"], size)}
    if "mask" in files:
        if not same_size(files["image"], files["mask"]):
            raise PictureError("the mask has another size than the picture: send one of the same size")
        prepared["mask"] = mask_of_transparency(files["mask"], size)
    return prepared


async def _answered(
    jobs: Jobs, request: Request, ask: ImagesAsk, wanted: GenerateAsk, files: Mapping[str, bytes], kind: str
) -> Response:
    """The pictures, all at the end or as a stream."""
    form = ask.form()
    check_size(form.size, jobs.config.limits, form.format)
    headers = ignored_header(passed_over(ask.model_extra or {}, IGNORED))
    accepted = await jobs.submit_all([wanted], files=files, source=SOURCE)
    if ask.stream:
        told = lines(jobs, accepted[0], form, ask.partial_images or 0, kind, request.url.path)
        headers |= form.header(own_size(jobs, wanted.model))
        return StreamingResponse(told, media_type="text/event-stream", headers=headers)
    (job,) = await ended(jobs, accepted, request)
    if job.state != "done":
        raise NotDrawnError(job)
    give = _address if ask.response_format == "url" else _base64
    files_of = f"{request.base_url}api/v1/jobs/{job.id}/files/"

    def answer() -> Response:
        paths = pictures(jobs, job)
        drawn = size_of(paths[0])
        told = {
            "created": int(job.created),
            "data": [give(path, form, files_of) for path in paths],
            "output_format": form.format,
            "size": "{}x{}".format(*(form.size or drawn)),
            "background": "opaque",
        }
        return JSONResponse(told, headers=headers | form.header(drawn))

    return await run_in_threadpool(answer)


def _base64(path: Path, form: Form, files_of: str) -> dict[str, str]:
    return {"b64_json": base64.b64encode(encoded(path, form)).decode()}


def _address(path: Path, form: Form, files_of: str) -> dict[str, str]:
    """Where the picture is to be had; in another form it is kept beside the one that was drawn."""
    data = encoded(path, form)
    if data != path.read_bytes():
        path = path.with_suffix(".{}x{}.{}".format(*(form.size or size_of(path)), form.format))
        with replacing(path) as temporary:
            temporary.write_bytes(data)
    return {"url": files_of + quote(path.name)}
