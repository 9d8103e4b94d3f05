"""Pictures from captions, from a caption and a picture, or inside a mask; each file says how it was made."""

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from rhinoise.core.images import to_pil
from rhinoise.pipeline.latent_diffusion import LatentDiffusion, batches
from rhinoise.workflows.devices import device_errors_told
from rhinoise.workflows.drawing.order import Drawing, DrawRequest, Order
from rhinoise.workflows.drawing.requests import followed
from rhinoise.workflows.events import Event, Said
from rhinoise.workflows.paths import check_targets, open_model

if TYPE_CHECKING:
    from rhinoise.workflows.drawing.film import Filming
    from rhinoise.workflows.scoring.replicas import Checker, Look


@device_errors_told("or draw fewer pictures at once (--count)")
def generate(request: DrawRequest) -> Generator[Event, None, None]:
    """Draw and write every picture, a contact sheet of several, and films where they are asked for.

    A RhinoiseError says what is wrong with the request, most of it before the model is opened.
    """
    order = Order(request)
    films = _film_targets(order) if request.film else []
    checks = _check_targets(order) if request.check else []
    check_targets([*films, *checks[:1]], *order.inputs)
    yield from order.told
    model = open_model(request.model, request.precision, few_steps=request.few_steps)
    drawing = Drawing(order, model)
    checker = None
    if request.check:
        checker = yield from _checker(request, model)
    yield from drawing.told

    parts = [part for one in drawing.asked for part in batches(one)]
    looks: list[Look] = []
    filming = _filming(model) if request.film else None
    for place, part in enumerate(parts):
        steps = model.steps(part) if filming is None else filming.steps(part)
        latents = yield from followed(steps, len(model.levels(part)) - 1, place, len(parts))
        images, paths = model.finish(part, latents), drawing.paths(part)
        shown = to_pil(images)
        found = [] if checker is None else checker.looks(part.prompt, shown)
        yield from drawing.write(part, shown, [look.record for look in found])
        for path, look in zip(paths, found, strict=False):
            yield Said(f"{path.name}: {look.told}")
        looks += found
        if filming is not None:
            decoded = images if part.mask is None else model.decode(latents)
            yield from filming.write(latents, decoded, paths, drawing.about(part))
    if filming is not None:
        yield from filming.close(films[-1])
    if checker is not None:
        yield from checker.keep([path.name for path in order.paths], looks, *checks)


def _filming(model: LatentDiffusion) -> "Filming":
    """What records; its figures' imports are not for those who only draw."""
    from rhinoise.workflows.drawing.film import Filming

    return Filming(model)


def _checker(request: DrawRequest, model: LatentDiffusion) -> Generator[Event, None, "Checker"]:
    """What looks for replicas; likewise."""
    from rhinoise.workflows.scoring.replicas import checker_for

    return (yield from checker_for(model, request.model, request.data))


def _film_targets(order: Order) -> list[Path]:
    """The pictures that films add; likewise."""
    from rhinoise.workflows.drawing.film import film_targets

    return film_targets(order.paths, order.out, order.alone)


def _check_targets(order: Order) -> list[Path]:
    """The figure and the numbers of a check."""
    return [
        order.out.with_name(f"{order.out.stem}-check{ending}")
        if order.alone
        else order.out / f"check{ending}"
        for ending in (".png", ".json")
    ]
