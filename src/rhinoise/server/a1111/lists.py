"""What clients ask for before they draw anything: names, settings, memory; and what there is none of here."""

from collections.abc import Mapping
from typing import Any

import psutil
from fastapi import APIRouter

from rhinoise.server.a1111.asks import MODEL_OPTION, OPTIONS_IGNORED
from rhinoise.server.a1111.desk import Desk
from rhinoise.server.a1111.names import SAMPLERS, SCHEDULERS
from rhinoise.server.ignored import passed_over

EMPTY: Mapping[str, Any] = {
    "upscalers": [],
    "latent-upscale-modes": [],
    "loras": [],
    "sd-vae": [],
    "hypernetworks": [],
    "face-restorers": [],
    "realesrgan-models": [],
    "prompt-styles": [],
    "script-info": [],
    "scripts": {"txt2img": [], "img2img": []},
    "embeddings": {"loaded": {}, "skipped": {}},
}
"""What there is none of."""


def lists(desk: Desk) -> APIRouter:
    """The routes."""
    routes = APIRouter()
    for name, nothing in EMPTY.items():
        routes.add_api_route(f"/{name}", _answering(nothing), name=name, methods=["GET"])

    @routes.get("/samplers")
    async def samplers() -> list[dict[str, Any]]:
        """Those that have a counterpart."""
        return [{"name": one.name, "aliases": one.aliases, "options": {}} for one in SAMPLERS]

    @routes.get("/schedulers")
    async def schedulers() -> list[dict[str, Any]]:
        """Likewise."""
        return [
            {
                "name": one.name,
                "label": one.aliases[0],
                "aliases": one.aliases[1:],
                "default_rho": -1,
                "need_inner_model": False,
            }
            for one in SCHEDULERS
        ]

    @routes.get("/sd-models")
    async def models() -> list[dict[str, Any]]:
        """The models; the first is the default."""
        return desk.models()

    @routes.post("/refresh-checkpoints")
    async def refresh() -> None:
        """Look again for models: they are looked for whenever they are asked for."""

    @routes.get("/options")
    async def options() -> dict[str, Any]:
        """The settings that clients look for."""
        current = desk.record(desk.current)
        return {
            MODEL_OPTION: current["title"],
            "sd_checkpoint_hash": current["sha256"],
            "samples_format": "png",
            "CLIP_stop_at_last_layers": 1,
            "sd_vae": "None",
            "enable_pnginfo": True,
        }

    @routes.post("/options")
    async def set_options(options: dict[str, Any]) -> None:
        """Choose the model that draws from now on; other settings may only be what they are."""
        passed_over({name: options[name] for name in options if name != MODEL_OPTION}, OPTIONS_IGNORED)
        if options.get(MODEL_OPTION):
            desk.chosen = desk.name_of(str(options[MODEL_OPTION]))

    @routes.get("/cmd-flags")
    async def flags() -> dict[str, Any]:
        """How this server was started, in their words."""
        config = desk.jobs.config
        return {"api": True, "nowebui": False, "port": config.port, "listen": not config.is_loopback}

    @routes.get("/memory")
    async def memory() -> dict[str, Any]:
        """Of this machine, in bytes."""
        ram = psutil.virtual_memory()
        return {
            "ram": {"free": ram.available, "used": ram.used, "total": ram.total},
            "cuda": {"error": "only the worker knows"},
        }

    return routes


def _answering(nothing: Any) -> Any:
    async def answer() -> Any:
        """There is none of these."""
        return nothing

    return answer
