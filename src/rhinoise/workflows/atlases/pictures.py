"""The pictures of an atlas: latents that are kept or made, decoded small, and the walks between some."""

import copy
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from rhinoise.core.backend import channels_last, float_type
from rhinoise.core.files import cache_folder, digest
from rhinoise.core.images import from_uint8, to_uint8
from rhinoise.core.random import generator
from rhinoise.core.shapes import Images, Latents
from rhinoise.data.latents import Arrays, encoded
from rhinoise.explain.measure.concepts import holders
from rhinoise.explain.measure.preview import fit_preview
from rhinoise.explain.measure.survey import CONCEPT, GROUP
from rhinoise.explain.pages.atlas import THUMB, Walks
from rhinoise.nets.fingerprint import fingerprint
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.workflows.atlases.sample import Chosen
from rhinoise.workflows.events import Event, Progress, Said
from rhinoise.workflows.pictures import Pictures

ENDS, STEPS = 7, 8
"""Pictures that walks go between, and pictures of a walk, both ends included."""
CHUNK = 32
"""Pictures that are encoded or decoded at a time."""
MANY, EXAMPLES = 256, 32
"""More thumbnails than MANY may be drawn by a linear map, fitted on EXAMPLES and tested on as many others."""
CLOSE = 38.0
"""dB from the decoder's thumbnails at which the map's take their place: storing them as WebP leaves 36."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the latents of some pictures are kept: in the cache, by key, in these rows."""

    key: str
    rows: Int[np.ndarray, "n"]

    @property
    def file(self) -> Path:
        """The array; it may not be there yet, or no longer."""
        return cache_folder() / "latents" / self.key / "latents.npy"

    def read(self) -> Latents:
        """These latents."""
        return torch.from_numpy(np.load(self.file, mmap_mode="r")[self.rows])


def place_of(
    model: LatentDiffusion, pictures: Pictures, shown: Int[np.ndarray, "n"], kept_by_training: str | None
) -> Place:
    """Where the training kept the latents of these pictures, under that key; else where an atlas does."""
    if kept_by_training is not None and (kept := Place(key=kept_by_training, rows=shown)).file.is_file():
        return kept
    key = digest("atlas", pictures.prepared.key, shown.tobytes(), fingerprint(model.autoencoder))
    return Place(key=key, rows=np.arange(len(shown)))


def known_latents(
    model: LatentDiffusion, pictures: Pictures, shown: Int[np.ndarray, "n"], kept_by_training: str | None
) -> Generator[Event, None, Latents]:
    """The latents of these pictures that are kept in their place; where none are, new ones, kept there."""
    place = place_of(model, pictures, shown, kept_by_training)
    if place.file.is_file():
        return place.read()
    began = time.monotonic()
    model.encode(pictures.prepared.images(shown[:CHUNK].tolist()))
    seconds = (time.monotonic() - began) * len(shown) / min(CHUNK, len(shown))
    yield Said(f"no latents are kept of these pictures: encoding {len(shown)} takes about {_told(seconds)}")

    def chunks() -> Iterator[Arrays]:
        for start in range(0, len(shown), CHUNK):
            part = pictures.prepared.images(shown[start : start + CHUNK].tolist())
            yield {"latents": model.encode(part).cpu().numpy()}

    encoded(cache_folder() / "latents", place.key, len(place.rows), chunks())
    return place.read()


def quick_decoder(model: LatentDiffusion) -> Callable[[Latents], Images]:
    """Decodes in bfloat16 where that is fast: a thumbnail is off by a third of a grey level on average."""
    dtype = float_type("auto", model.device)
    own = channels_last(copy.deepcopy(model.autoencoder).to(dtype))

    @torch.no_grad()
    def decode(latents: Latents) -> Images:
        return own.decode(latents.to(model.device, dtype)).float().clamp(-1, 1).cpu()

    return decode


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """What latents look like, small."""

    thumbs: UInt8[np.ndarray, "n s s 3"]
    preview_psnr: float | None
    """In dB, from the decoder's own thumbnails, where a linear map drew them; None: the decoder did."""


def thumbnails(decode: Callable[[Latents], Images], latents: Latents) -> Generator[Event, None, Decoded]:
    """Every latent decoded, small.

    Of many, the decoder draws a few, and a linear map fitted on half of these draws all, if the other half
    says that it may: a decoder takes minutes for what the map does in seconds.
    """
    chosen = torch.randperm(len(latents), generator=generator("preview"))[: 2 * EXAMPLES]
    if len(latents) > MANY and THUMB % latents.shape[2] == 0:
        examples = torch.cat([_thumbs(decode(part)) for part in latents[chosen].split(CHUNK)])
        preview = fit_preview([(latents[chosen[:EXAMPLES]], examples[:EXAMPLES], 1.0)])
        psnr = _psnr(preview(latents[chosen[EXAMPLES:]]), examples[EXAMPLES:])
        if psnr >= CLOSE:
            drawn = [small(to_uint8(preview(part))) for part in latents.split(CHUNK)]
            return Decoded(thumbs=np.concatenate(drawn), preview_psnr=round(psnr, 1))
    parts, total = [], len(latents)
    for start in range(0, total, CHUNK):
        parts.append(small(to_uint8(decode(latents[start : start + CHUNK]))))
        yield Progress(stage="decoding", done=min(start + CHUNK, total), total=total, unit="picture")
    return Decoded(thumbs=np.concatenate(parts), preview_psnr=None)


def small(pixels: UInt8[Tensor, "n 3 H W"]) -> UInt8[np.ndarray, "n s s 3"]:
    """Thumbnails, whatever the pictures' size; in bytes, which takes a thirtieth of the time of floats."""
    return rearrange(_scaled(pixels), "n c h w -> n h w c").contiguous().numpy()


def _thumbs(images: Images) -> Float[Tensor, "n 3 s s"]:
    return from_uint8(_scaled(to_uint8(images)))


def _scaled(pixels: UInt8[Tensor, "n 3 H W"]) -> UInt8[Tensor, "n 3 s s"]:
    return F.interpolate(pixels, (THUMB, THUMB), mode="bilinear", antialias=True, align_corners=False)


def _psnr(images: Images, wanted: Images) -> float:
    """The mean over pictures, in dB."""
    errors = ((images - wanted) / 2).square().mean((1, 2, 3))
    return float(-10 * errors.clamp(min=1e-10).log10().mean())


def _told(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds > 100 else f"{max(1, round(seconds))} s"


def walk(
    decode: Callable[[Latents], Images], latents: Latents, apart: Float[Tensor, "n n"], chosen: Chosen
) -> Generator[Event, None, Walks]:
    """The straight ways between a few pictures: those of the words, then the middle ones of groups.

    Straight, not along the arc: what lies half-way of a straight one comes back from its own picture as well
    as real latents do, what lies on the arc does not (`half_way`).
    """
    ends = _ends(apart, chosen)
    pairs = list(combinations(range(len(ends)), 2))
    yield Said(f"decoding {len(pairs)} walks between {len(ends)} pictures")
    part = torch.linspace(0, 1, STEPS)[1:-1, None, None, None]
    ended = small(to_uint8(decode(latents[ends])))
    frames = []
    for a, b in pairs:
        way = torch.lerp(latents[ends[a]][None], latents[ends[b]][None], part)
        frames.append(np.stack([ended[a], *small(to_uint8(decode(way))), ended[b]]))
    return Walks(
        ends=np.array(ends),
        nearest=apart[:, ends].argmin(1).numpy(),
        pairs=pairs,
        frames=np.stack(frames),
    )


@torch.no_grad()
def half_way(model: LatentDiffusion, latents: Latents) -> dict[str, float]:
    """How far a latent half-way between two is from the one that its own picture has, in two ways of walking.

    Root mean square over latents of deviation 1: what the decoder cannot draw does not come back.
    """
    a, b = latents, latents.roll(1, 0)
    ways = {"linear": (a + b) / 2, "spherical": spherical(a, b, 0.5), "no way (the ends)": latents}
    back = {name: model.encode(model.decode(z)).cpu() for name, z in ways.items()}
    return {name: float((back[name] - z).square().mean().sqrt()) for name, z in ways.items()}


def spherical(a: Latents, b: Latents, part: float) -> Latents:
    """The way along the arc (Shoemake 1985), whose length changes evenly from one end's to the other's."""
    x, y = a.flatten(1), b.flatten(1)
    angle = torch.acos((torch.cosine_similarity(x, y)).clamp(-1, 1))[:, None]
    left, right = torch.sin((1 - part) * angle), torch.sin(part * angle)
    flat = (left * x + right * y) / torch.sin(angle).clamp(min=1e-6)
    return flat.reshape(a.shape)


def _ends(apart: Float[Tensor, "n n"], chosen: Chosen) -> list[int]:
    words = dict.fromkeys(word for pair in chosen.pairs for word in pair)
    found = [holders(chosen.captions, word)[0] for word in words]
    values = chosen.labels.get(GROUP, chosen.labels[CONCEPT])
    groups: dict[str, list[int]] = {}
    for i, value in enumerate(values):
        groups.setdefault(value, []).append(i)
    for rows in sorted(groups.values(), key=len, reverse=True):
        middle = rows[int(apart[rows][:, rows].sum(1).argmin())]
        if middle not in found:
            found.append(middle)
    rest = [i for i in range(len(values)) if i not in found]
    return (found + rest)[: min(ENDS, len(values))]
