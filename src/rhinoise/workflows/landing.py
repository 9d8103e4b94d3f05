"""Where pictures land in an atlas that was made, and which of its pictures are nearest."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from rhinoise.core.errors import ConfigError
from rhinoise.nets.fingerprint import fingerprint
from rhinoise.workflows.atlases.ground import Ground, Landed, landed
from rhinoise.workflows.defaults import DEFAULT_MODEL
from rhinoise.workflows.devices import device_errors_told
from rhinoise.workflows.events import Event
from rhinoise.workflows.paths import open_model


@dataclass(frozen=True, kw_only=True)
class LandingRequest:
    """Which pictures, and in which atlas."""

    pictures: tuple[Path, ...]
    atlas: Path
    """Its page, with what was kept beside it."""
    model: Path | str = DEFAULT_MODEL
    """The model that it is an atlas of: a run, a model folder, or "bundled"."""
    precision: str = "auto"


@device_errors_told("or land fewer pictures at once")
def landing(request: LandingRequest) -> Generator[Event, None, tuple[Landed, ...]]:
    """Where each picture lands; a RhinoiseError says what is wrong with the atlas, the model or a picture."""
    ground = Ground.of(request.atlas)
    if not ground.place.file.is_file():
        raise ConfigError("the latents of this atlas are kept no longer: make it anew")
    model = open_model(request.model, request.precision)
    if fingerprint(model.autoencoder) != ground.autoencoder:
        raise ConfigError("this atlas is of another model: name the one that it was made of")
    return (yield from landed(ground, model, ground.place.read().flatten(1), request.pictures))
