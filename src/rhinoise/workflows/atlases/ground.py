"""The ground that an atlas lies on, kept beside its page, and where other pictures land on it.

NAME.safetensors: the mean and the directions of its axes, and which of the latents that are kept anyway are
its points. An atlas drawn by UMAP has no such directions.
"""

import json
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from rhinoise.core.errors import ConfigError, PictureError
from rhinoise.core.files import read_json, replacing
from rhinoise.core.images import square, to_tensor
from rhinoise.data.pixels import Preparation
from rhinoise.explain.measure.atlas import Axes
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.storage.provenance import read_provenance
from rhinoise.workflows.atlases.pictures import CHUNK, Place
from rhinoise.workflows.events import Event, Said
from rhinoise.workflows.paths import read_picture

NEAREST = 5
"""Pictures of the atlas that are named for each that lands."""
NO_AXES = "UMAP has no axes that another picture could be laid on: make the atlas with the method pca"


@dataclass(frozen=True, kw_only=True)
class Landed:
    """A picture in the space of an atlas."""

    caption: str
    """What it was asked for by; else its name."""
    point: tuple[float, ...]
    """On the atlas's axes, in units of its latents, as its own points are."""
    near: tuple[int, ...]
    """The pictures of the atlas nearest to it in the whole space, nearest first, by number from 0."""
    captions: tuple[str, ...]
    """Theirs."""
    apart: tuple[float, ...]
    """How far from it these are; 1 is how far two pictures of the atlas are on average."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The space that an atlas lies in."""

    axes: Axes
    place: Place
    """Where the latents of its points are kept."""
    captions: tuple[str, ...]
    apart: float
    """The mean distance of two of its pictures."""
    preparation: Preparation
    """How they were made to fit the model."""
    autoencoder: str
    """The fingerprint of what encoded them."""

    def keep(self, page: Path) -> Path:
        """Write it beside the page of the atlas; the file."""
        file = beside(page)
        tensors = {
            "mean": self.axes.mean,
            "directions": self.axes.directions.contiguous(),
            "rows": torch.from_numpy(self.place.rows),
        }
        told = {name: getattr(self, name) for name in ("captions", "apart", "autoencoder")}
        told |= {"key": self.place.key, "preparation": asdict(self.preparation)}
        with replacing(file) as temporary:
            save_file(tensors, temporary, metadata={"atlas": json.dumps(told)})
        return file

    @classmethod
    def of(cls, page: Path) -> "Ground":
        """What was kept beside the page of an atlas; ConfigError where nothing was."""
        file = beside(page)
        if not file.is_file():
            numbers = page.with_suffix(".json")
            if numbers.is_file() and read_json(numbers).get("method") == "umap":
                raise ConfigError(NO_AXES)
            raise ConfigError(f"there is no atlas {page.name} of which the axes were kept: make it anew")
        with safe_open(file, framework="pt") as opened:
            told: dict[str, Any] = json.loads(opened.metadata()["atlas"])
            mean, directions, rows = (opened.get_tensor(name) for name in ("mean", "directions", "rows"))
        preparation = told["preparation"]
        return cls(
            axes=Axes(mean=mean, directions=directions),
            place=Place(key=told["key"], rows=rows.numpy()),
            captions=tuple(told["captions"]),
            apart=told["apart"],
            preparation=Preparation(**preparation | {"background": tuple(preparation["background"])}),
            autoencoder=told["autoencoder"],
        )


def beside(page: Path) -> Path:
    """The file that an atlas keeps its axes in."""
    return page.with_suffix(".safetensors")


@torch.no_grad()
def landed(
    ground: Ground, model: LatentDiffusion, latents: Float[Tensor, "n d"], paths: Sequence[Path]
) -> Generator[Event, None, tuple[Landed, ...]]:
    """Where pictures land, by the model that the atlas is of; `latents` are those of its points."""
    yield Said(f"looking where {len(paths)} pictures land among {len(latents)}")
    how = ground.preparation
    images = [square(read_picture(path, how.background), how.size, how.fit, how.background) for path in paths]
    parts = [model.encode(to_tensor(images[at : at + CHUNK])).cpu() for at in range(0, len(images), CHUNK)]
    own = torch.cat(parts).flatten(1).float()
    apart, near = torch.cdist(own, latents.float()).topk(min(NEAREST, len(latents)), largest=False)
    rows = zip(
        paths, ground.axes.points(own).tolist(), near.tolist(), (apart / ground.apart).tolist(), strict=True
    )
    return tuple(
        Landed(
            caption=caption_of(path),
            point=tuple(point),
            near=tuple(its),
            captions=tuple(ground.captions[i] for i in its),
            apart=tuple(far),
        )
        for path, point, its, far in rows
    )


def caption_of(path: Path) -> str:
    """What a picture was asked for by, where it says so; else its name."""
    try:
        request = read_provenance(path).request or {}
    except PictureError:  # no PNG
        request = {}
    return str(request.get("prompt") or path.stem)
