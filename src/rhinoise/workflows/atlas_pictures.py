"""The pictures of an atlas: latents that are kept or made, decoded small, and the walks between some."""

import copy
import time
from collections.abc import Callable, Generator, Iterator
from itertools import combinations

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from rhinoise.core.files import cache_folder, digest
from rhinoise.core.images import to_uint8
from rhinoise.core.shapes import Images, Latents
from rhinoise.data.latents import Arrays, encoded
from rhinoise.explain.measure.concepts import holders
from rhinoise.explain.measure.survey import CONCEPT, GROUP
from rhinoise.explain.pages.atlas import THUMB, Walks
from rhinoise.nets.fingerprint import fingerprint
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.workflows.atlas_sample import Chosen
from rhinoise.workflows.events import Event, Progress, Said
from rhinoise.workflows.pictures import Pictures

ENDS, STEPS = 8, 8
"""Pictures that walks go between, and pictures of a walk, both ends included."""
CHUNK = 32
"""Pictures that are encoded or decoded at a time."""


def known_latents(
    model: LatentDiffusion, pictures: Pictures, shown: Int[np.ndarray, "n"], kept_by_training: str | None
) -> Generator[Event, None, Latents]:
    """The latents of these pictures that the training kept under that key, or new ones, kept too."""
    if kept_by_training is not None:
        place = cache_folder() / "latents" / kept_by_training / "latents.npy"
        if place.is_file():
            return torch.from_numpy(np.load(place, mmap_mode="r")[shown])
    key = digest("atlas", pictures.prepared.key, shown.tobytes(), fingerprint(model.autoencoder))
    if not (cache_folder() / "latents" / key).is_dir():
        began = time.monotonic()
        model.encode(pictures.prepared.images(shown[:CHUNK].tolist()))
        seconds = (time.monotonic() - began) * len(shown) / min(CHUNK, len(shown))
        yield Said(
            f"no latents are kept of these pictures: encoding {len(shown)} takes about {_told(seconds)}"
        )

    def chunks() -> Iterator[Arrays]:
        for start in range(0, len(shown), CHUNK):
            part = pictures.prepared.images(shown[start : start + CHUNK].tolist())
            yield {"latents": model.encode(part).cpu().numpy()}

    kept = encoded(cache_folder() / "latents", key, len(shown), chunks())
    return torch.from_numpy(kept["latents"].copy())


def quick_decoder(model: LatentDiffusion) -> Callable[[Latents], Images]:
    """Decodes in bfloat16, in half the time: a thumbnail is off by a third of a grey level on average."""
    own = copy.deepcopy(model.autoencoder).bfloat16()

    @torch.no_grad()
    def decode(latents: Latents) -> Images:
        part = latents.to(model.device, torch.bfloat16)
        return own.decode(part.contiguous(memory_format=torch.channels_last)).float().clamp(-1, 1).cpu()

    return decode


def thumbnails(
    decode: Callable[[Latents], Images], latents: Latents
) -> Generator[Event, None, UInt8[np.ndarray, "n s s 3"]]:
    """Every latent decoded, small."""
    parts, total = [], len(latents)
    for start in range(0, total, CHUNK):
        parts.append(small(decode(latents[start : start + CHUNK])))
        yield Progress(stage="decoding", done=min(start + CHUNK, total), total=total, unit="picture")
    return np.concatenate(parts)


def small(images: Images) -> UInt8[np.ndarray, "n s s 3"]:
    """Thumbnails as bytes, whatever the pictures' size."""
    parts = [
        F.interpolate(part, (THUMB, THUMB), mode="bilinear", antialias=True, align_corners=False)
        for part in images.split(CHUNK)
    ]
    return rearrange(to_uint8(torch.cat(parts)), "n c h w -> n h w c").contiguous().numpy()


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
    part = torch.linspace(0, 1, STEPS)[:, None, None, None]
    frames = []
    for a, b in pairs:
        frames.append(small(decode(torch.lerp(latents[ends[a]][None], latents[ends[b]][None], part))))
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
