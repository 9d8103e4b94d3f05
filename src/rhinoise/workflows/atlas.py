"""The latent atlas: every picture a point, in the autoencoder's latents and the denoiser's features.

A page for people, and beside it a JSON file of everything that was measured.
"""

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from rhinoise.core.config import to_json
from rhinoise.core.errors import ConfigError, UnknownNameError
from rhinoise.core.files import write_json, write_text
from rhinoise.explain.measure.atlas import LEAST, axes_of, differ, nearest
from rhinoise.explain.measure.states import depths
from rhinoise.explain.measure.survey import STYLE, Survey, survey
from rhinoise.explain.pages.atlas import THUMB, Cloud, atlas_page
from rhinoise.explain.pages.atlas_words import distance_table, method_said, moments_said, sentences
from rhinoise.explain.pages.page import data_uri, svg
from rhinoise.explain.plots.atlas import clouds_figure, purity_figure
from rhinoise.explain.plots.style import Figure, save_figure
from rhinoise.nets.fingerprint import fingerprint
from rhinoise.storage.run_folder import RunFolder
from rhinoise.workflows.atlases.ground import NO_AXES, Ground, Landed, landed
from rhinoise.workflows.atlases.pictures import (
    half_way,
    known_latents,
    place_of,
    quick_decoder,
    small,
    thumbnails,
    walk,
)
from rhinoise.workflows.atlases.sample import choose, known_of
from rhinoise.workflows.atlases.spaces import (
    LATENTS,
    NEIGHBOURS,
    about,
    compare_spaces,
    laid_out,
    main_spaces,
)
from rhinoise.workflows.defaults import DEFAULT_COMPARED, DEFAULT_POINTS
from rhinoise.workflows.devices import device_errors_told
from rhinoise.workflows.events import Event, Said, Wrote
from rhinoise.workflows.paths import find_model, output_page, read_picture
from rhinoise.workflows.pictures import Pictures, read_pictures
from rhinoise.workflows.scoring.trained import EvaluateRequest, Trained, open_trained
from rhinoise.workflows.stages.moments import (
    Moment,
    aligned,
    before_training,
    followed,
    grown,
    kept_moments,
    look_inside,
    measured_moments,
)
from rhinoise.workflows.stages.training import LATENTS_KEY

METHODS = ("pca", "umap")
MOST = 20_000
"""Pictures at most: their distances take 1.6 GB."""


@dataclass(frozen=True, kw_only=True)
class AtlasRequest:
    """Which model, on which pictures, how many of them, and which words are compared."""

    run: Path | str
    """A run, a model folder, or "bundled"."""
    out: Path = Path("atlas.html")
    data: str | None = None
    """The pictures; None: those that it was trained on."""
    pictures: int = DEFAULT_POINTS
    """Points at most; of more pictures an even sample."""
    features: int = DEFAULT_COMPARED
    """Pictures at most that the spaces are compared on, with the denoiser's features."""
    method: str = "pca"
    """How points are laid into three dimensions, one of METHODS."""
    words: tuple[str, ...] = ()
    """Two words or more, of which each pair is compared; none: as `atlases.sample.choose` takes them."""
    landed: tuple[Path, ...] = ()
    """Pictures that are shown among the points, where they land."""
    precision: str = "auto"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UnknownNameError("method", self.method, METHODS)
        if self.landed and self.method != "pca":
            raise ConfigError(NO_AXES)
        if not LEAST <= self.pictures <= MOST:
            raise ConfigError(f"--pictures is a number of points from {LEAST} to {MOST}, not {self.pictures}")
        if not LEAST <= self.features <= MOST:
            raise ConfigError(
                f"--features is a number of pictures from {LEAST} to {MOST}, not {self.features}"
            )
        if len(self.words) == 1:
            raise ConfigError(
                f"one word has nothing to be compared with: --word {self.words[0]} --word chair"
            )


@dataclass(frozen=True, kw_only=True)
class Atlas:
    """What was measured."""

    model: str
    source: str
    pictures: int
    of: int
    """Training pictures, of which `pictures` are shown."""
    method: str
    kept: tuple[float, ...]
    """The share of the latents' variance on each axis; none for UMAP."""
    latents: Survey
    """Of all pictures of the atlas."""
    surveys: tuple[Survey, ...]
    """Of the pictures that all spaces are compared on: pixels, latents, then the denoiser's depths."""
    clearest: str
    """Which of the denoiser's depths knows concepts best."""
    preview_psnr: float | None
    """How near the decoded thumbnails are to the decoder's own, where `thumbnails` did without it."""
    half_way: dict[str, float]
    """What `atlases.pictures.half_way` found."""
    moments: tuple[dict[str, Any], ...]
    """How neighbours came to share labels in the denoiser, step by step."""
    seconds: dict[str, float]


@device_errors_told("or take fewer pictures (--pictures)")
def atlas(request: AtlasRequest) -> Generator[Event, None, Atlas]:
    """Write the page, and beside it a JSON file of its numbers and the axes of a PCA; return the numbers.

    RhinoiseError says what is wrong: too few pictures, all of them alike, an unknown word.
    """
    out = output_page(request.out, "atlas.html", "an atlas")
    for path in request.landed:  # minutes before they are laid among the points
        read_picture(path)
    clock = Laps()
    trained = open_trained(
        EvaluateRequest(run=request.run, data=request.data, out=out.parent, precision=request.precision)
    )
    model = trained.model
    depths(cast(nn.Module, model.denoiser.network))
    pictures = yield from read_pictures(trained.source, trained.recipe)
    if len(pictures.train) < LEAST:
        raise ConfigError(
            f"an atlas takes {LEAST} pictures at least, and {trained.source} has {len(pictures.train)}: "
            "add some, or say --data FOLDER"
        )
    chosen = yield from choose(pictures, request.words, shown=request.pictures, compared=request.features)
    clock.lap("reading")
    key = RunFolder(find_model(request.run)).plan().get(LATENTS_KEY) if request.data is None else None
    latents = yield from known_latents(model, pictures, chosen.shown, key)
    clock.lap("latents")
    apart, projection = laid_out(latents.flatten(1), request.method)
    whole = survey(LATENTS, apart, differ(chosen.origins), chosen.labels, chosen.captions, chosen.pairs)
    clock.lap("measuring")
    ground = None
    marks: tuple[Landed, ...] = ()
    if request.method == "pca":
        ground = Ground(
            axes=axes_of(latents.flatten(1), projection.points),
            place=place_of(model, pictures, chosen.shown, key),
            captions=chosen.captions,
            apart=float(apart.sum()) / (len(apart) * (len(apart) - 1)),
            preparation=pictures.prepared.preparation,
            autoencoder=fingerprint(model.autoencoder),
        )
        if request.landed:
            marks = yield from landed(ground, model, latents.flatten(1), request.landed)
    decode = quick_decoder(model)
    decoded = yield from thumbnails(decode, latents)
    walks = yield from walk(decode, latents, apart, chosen)
    ways = half_way(model, latents[walks.ends])
    clock.lap("decoding")
    compared = chosen.shown[chosen.compared].tolist()
    surveys, second = yield from compare_spaces(
        model, pictures.prepared.images(compared), latents[chosen.compared], chosen, request.method
    )
    clock.lap("features")
    shown_spaces = main_spaces(surveys)
    forming = yield from _forming(request, trained, pictures, key)
    clock.lap("moments")
    first = Cloud(
        name=f"the autoencoder’s latents ({len(chosen.shown)})",
        about=about("A latent is what the autoencoder keeps of a picture", projection),
        rows=np.arange(len(chosen.shown)),
        points=projection.points.numpy(),
        near=nearest(apart, NEIGHBOURS).numpy(),
    )
    result = Atlas(
        model=_name(request.run),
        source=_name(trained.source),
        pictures=len(chosen.shown),
        of=len(pictures.train),
        method=request.method,
        kept=projection.kept,
        latents=whole,
        surveys=surveys,
        clearest=shown_spaces[-1].space,
        preview_psnr=decoded.preview_psnr,
        half_way=ways,
        moments=tuple(forming.numbers),
        seconds=clock.laps,
    )
    yield Said(f"drawing {len(chosen.shown)} points")
    page = atlas_page(
        model=result.model,
        source=result.source,
        captions=[pictures.prepared.dataset.examples[i].captions for i in chosen.shown],
        labels=chosen.coloured,
        originals=small(torch.from_numpy(pictures.prepared.array[chosen.shown])),
        decoded=decoded.thumbs,
        clouds=[first, second],
        walks=walks,
        landed=[_mark(*pair) for pair in zip(request.landed, marks, strict=True)],
        values={
            "example": chosen.pairs[0][0] if chosen.pairs else "a word",
            "sentences": sentences(shown_spaces),
            "said": method_said(
                result.pictures, result.of, len(chosen.compared), len(surveys) - 2, result.preview_psnr
            ),
            "figure": svg(purity_figure(shown_spaces, styles=STYLE in chosen.labels)),
            **distance_table(shown_spaces),
            "moments": svg(forming.figure) if forming.figure else None,
            "moments_caption": forming.caption,
        },
    )
    write_text(out, page)
    clock.lap("writing")
    yield Wrote(out)
    if ground is not None:
        yield Wrote(ground.keep(out))
    if forming.figure:
        strip = out.with_name(f"{out.stem}-moments.png")
        save_figure(forming.figure, strip)
        yield Wrote(strip)
    numbers = out.with_suffix(".json")
    write_json(numbers, to_json(vars(result)) | {"bytes": out.stat().st_size})
    yield Wrote(numbers)
    return result


class Laps:
    """Seconds by part of the work."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self.last = time.monotonic()

    def lap(self, name: str) -> None:
        """What ends here is called `name`."""
        now = time.monotonic()
        self.laps[name], self.last = round(now - self.last, 1), now


@dataclass(frozen=True, kw_only=True)
class Forming:
    """The space of the denoiser's features at several moments: drawn, in words, and measured."""

    figure: Figure | None = None
    caption: str = ""
    numbers: Sequence[dict[str, Any]] = ()


def _forming(
    request: AtlasRequest, trained: Trained, pictures: Pictures, key: str | None
) -> Generator[Event, None, Forming]:
    """From what the run kept; its beginning is made anew where it was not kept, and its end likewise."""
    run = RunFolder(find_model(request.run))
    if request.data is not None or not (run.root / "recipe.json").is_file() or "start" in run.record():
        return Forming()
    moments = kept_moments(run)
    rows = moments[0].rows if moments else followed(pictures.train)
    if not moments or moments[0].step:  # planning a budget in minutes takes a look at step 0
        x0 = yield from known_latents(trained.model, pictures, rows, key)
        yield Said("looking into the denoiser as it was before training")
        first = look_inside(before_training(trained.model, trained.recipe), x0)
        moments = [Moment(step=0, rows=rows, features=first), *moments]
    last = trained.model.facts.get("denoiser_steps", 0)
    if len(moments) == 1 and last:
        x0 = yield from known_latents(trained.model, pictures, rows, key)
        moments.append(Moment(step=last, rows=rows, features=look_inside(trained.model, x0)))
    if len(moments) == 1:
        return Forming()  # nothing is learnt yet
    labels, origins = known_of(pictures, rows)
    numbers = measured_moments(moments, labels, origins)
    kind = max(labels, key=lambda kind: grown(numbers, kind))
    names = [f"step {moment.step:,}" if moment.step else "before training" for moment in moments]
    figure = clouds_figure(list(zip(names, aligned(moments), strict=True)), labels[kind])
    return Forming(figure=figure, caption=moments_said(numbers, len(rows), kind), numbers=numbers)


def _mark(path: Path, one: Landed) -> dict[str, Any]:
    """A picture that landed, as the page shows it."""
    thumb = read_picture(path)
    thumb.thumbnail((THUMB, THUMB))
    return {"picture": data_uri(thumb), **vars(one)}


def _name(place: Path | str) -> str:
    """What a run or a source is called, without the folders that it lies in."""
    return Path(place).name or str(place)
