"""A denoiser's features at several moments of its training: kept at each look, drawn by the atlas.

A look keeps one depth, of a few pictures, in half precision: about 100 KB.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rhinoise.core.backend import Precision
from rhinoise.core.files import replacing
from rhinoise.core.shapes import Latents
from rhinoise.explain.measure.atlas import differ, distances, inner_products, pca, purity
from rhinoise.explain.measure.states import depths, inner_states, joined, standardised
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.recipes import Recipe
from rhinoise.storage.run_folder import RunFolder
from rhinoise.workflows.pictures import spread
from rhinoise.workflows.stages.build import build

FOLDER = "space"
PICTURES = 192
TIME = 0.5
"""Where between clean (0) and noise (1) the denoiser is looked into."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Features of some pictures after so many steps."""

    step: int
    rows: Int[np.ndarray, "m"]
    """The pictures, by index in the data set."""
    features: Float[Tensor, "m d"]


def followed(train: Int[np.ndarray, "k"]) -> Int[np.ndarray, "m"]:
    """The pictures that are looked at each time."""
    return spread(train, PICTURES)


def look_inside(model: LatentDiffusion, latents: Latents) -> Float[Tensor, "m d"]:
    """What the middle of the denoiser makes of these latents."""
    names = depths(cast(nn.Module, model.denoiser.network))
    states = joined(list(inner_states(model, latents, TIME)))
    return states[names[len(names) // 2]]


def keep_moment(
    run: RunFolder,
    model: LatentDiffusion,
    latents: Float[np.ndarray, "n c h w"],
    train: Int[np.ndarray, "k"],
    step: int,
) -> None:
    """Keep the features of the model so far in the run."""
    rows = followed(train)
    features = look_inside(model, torch.from_numpy(latents[rows]))
    with replacing(run.root / FOLDER / f"{step:07}.safetensors") as temporary:
        save_file({"features": features.half(), "rows": torch.from_numpy(rows)}, temporary)


def kept_moments(run: RunFolder) -> list[Moment]:
    """The moments that a run kept, in the order of its training."""
    found = []
    for file in sorted((run.root / FOLDER).glob("*.safetensors")):
        kept = load_file(file)
        found.append(
            Moment(step=int(file.stem), rows=kept["rows"].numpy(), features=kept["features"].float())
        )
    return found


def before_training(model: LatentDiffusion, recipe: Recipe) -> LatentDiffusion:
    """The model with its denoiser as it was when training began from random weights."""
    network = build(recipe.network, seed=recipe.seed + 1)
    precision: Precision = "fp32" if model.denoiser.dtype is torch.float32 else "bf16"
    return LatentDiffusion.of(replace(model.parts, network=network), precision=precision, device=model.device)


def aligned(moments: Sequence[Moment]) -> list[Float[np.ndarray, "m 3"]]:
    """Each moment's principal components, turned to lie as those of the last (Schoenemann 1966)."""
    points = [pca(inner_products(standardised(moment.features))).points for moment in moments]
    turned = []
    for each in points:
        left, _, right = torch.linalg.svd(each.T @ points[-1])
        turned.append((each @ left @ right).numpy())
    return turned


def measured_moments(
    moments: Sequence[Moment], labels: Mapping[str, Sequence[str]], origins: Sequence[frozenset[str]]
) -> list[dict[str, Any]]:
    """How often neighbours share each kind of label, moment by moment."""
    allowed = differ(origins)
    return [
        {"step": moment.step}
        | {
            kind: purity(distances(inner_products(standardised(moment.features))), own, allowed)
            for kind, own in labels.items()
        }
        for moment in moments
    ]


def grown(numbers: Sequence[Mapping[str, Any]], kind: str) -> float:
    """By how much more often, at the last moment than at the first, neighbours share this kind of label."""
    first, last = (numbers[i][kind] for i in (0, -1))
    return last.value - first.value if first and last else -1.0
