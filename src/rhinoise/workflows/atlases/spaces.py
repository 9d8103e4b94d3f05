"""The spaces of an atlas: pixels, the autoencoder's latents, and what the denoiser holds at each depth."""

from collections.abc import Generator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from rhinoise.core.shapes import Images, Latents
from rhinoise.explain.measure.atlas import Projection, differ, distances, inner_products, nearest, pca, umap
from rhinoise.explain.measure.states import States, inner_states, joined, standardised
from rhinoise.explain.measure.survey import Survey, by_concept, survey
from rhinoise.explain.pages.atlas import Cloud
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.workflows.atlases.sample import Chosen
from rhinoise.workflows.events import Event, Progress

TIMES = (0.3, 0.6)
"""Where between clean (0) and noise (1) the denoiser is looked into."""
NEIGHBOURS = 8
PIXELS, LATENTS = "pixels", "latents"
"""The spaces beside the denoiser's, by name."""
PIXEL_SIDE = 32
"""Pictures are compared at this size: finer pixels tell drawings of one thing apart, not things."""


def compare_spaces(
    model: LatentDiffusion, images: Images, x0: Latents, chosen: Chosen, method: str
) -> Generator[Event, None, tuple[tuple[Survey, ...], Cloud]]:
    """Measure every space on the pictures that are compared; the clearest depth of the denoiser as a cloud.

    `images` and `x0` are those pictures, and their latents.
    """
    rows = chosen.compared
    allowed = differ([chosen.origins[i] for i in rows])
    labels = {kind: [own[i] for i in rows] for kind, own in chosen.labels.items()}
    captions = [chosen.captions[i] for i in rows]

    def measured(name: str, vectors: Float[Tensor, "m d"]) -> Survey:
        apart = distances(inner_products(vectors))
        return survey(name, apart, allowed, labels, captions, chosen.pairs)

    coarse = torch.nn.functional.adaptive_avg_pool2d(images, PIXEL_SIDE)
    controls = [measured(PIXELS, coarse.flatten(1)), measured(LATENTS, x0.flatten(1))]
    spaces: dict[str, Float[Tensor, "m d"]] = {}
    for place, t in enumerate(TIMES):
        for name, vectors in (yield from _states(model, x0, t, place)).items():
            spaces[f"{name}, t = {t:g}"] = standardised(vectors)
    found = [measured(name, vectors) for name, vectors in spaces.items()]
    best = main_spaces([*controls, *found])[-1].space
    apart, projection = laid_out(spaces[best], method)
    cloud = Cloud(
        name=f"the denoiser’s features ({len(rows)})",
        about=about(
            f"Features are what the denoiser holds inside ({best}) as it looks at a noisy picture", projection
        ),
        rows=rows,
        points=projection.points.numpy(),
        near=nearest(apart, NEIGHBOURS).numpy(),
    )
    return (*controls, *found), cloud


def main_spaces(surveys: Sequence[Survey]) -> list[Survey]:
    """Of all that `compare_spaces` measures: pixels, latents, and the depth that knows concepts best."""
    return [*surveys[:2], max(surveys[2:], key=by_concept)]


def laid_out(vectors: Float[Tensor, "n d"], method: str) -> tuple[Float[Tensor, "n n"], Projection]:
    """The distances of all pairs, and where each picture is drawn."""
    inner = inner_products(vectors)
    return distances(inner), pca(inner) if method == "pca" else umap(vectors)


def about(space: str, projection: Projection) -> str:
    """What a space is, and what its drawing keeps of it."""
    if not projection.kept:
        return (
            f"{space}. Drawn by UMAP, which keeps who is near whom and lets go of the rest: far distances, "
            "sizes of groups and directions mean nothing."
        )
    shares = ", ".join(f"{100 * part:.0f}" for part in projection.kept)
    return (
        f"{space}. Drawn are the three directions in which the pictures differ most. They keep "
        f"{100 * sum(projection.kept):.0f} % of the variance ({shares} %): the rest cannot be seen here, so "
        "points that look near may be far. Neighbours and all numbers below are of the whole space."
    )


def _states(model: LatentDiffusion, x0: Latents, t: float, place: int) -> Generator[Event, None, States]:
    parts: list[States] = []
    done, total = place * len(x0), len(TIMES) * len(x0)
    for part in inner_states(model, x0, t):
        parts.append(part)
        done += len(next(iter(part.values())))
        yield Progress(stage="the denoiser's features", done=done, total=total, unit="picture")
    return joined(parts)
