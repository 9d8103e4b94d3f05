"""The pictures of several people's requests, drawn as one batch, each written into its own request's place.

For a server: a batch of eight takes less than eight batches of one. Whose request goes with whose is what
`alike` says. A picture is what `generate` makes of its request alone, as far as rounding goes; films and
checks stay with that.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from rhinoise.core.errors import ConfigError, RhinoiseError
from rhinoise.core.images import to_pil
from rhinoise.core.shapes import Images, Latents
from rhinoise.pipeline.latent_diffusion import BATCH, LatentDiffusion
from rhinoise.pipeline.request import GenerateRequest, refuse_unlike
from rhinoise.pipeline.request import alike as alike_but
from rhinoise.workflows.devices import device_errors_told
from rhinoise.workflows.drawing.order import Drawing, DrawRequest, Order
from rhinoise.workflows.events import Event, Progress
from rhinoise.workflows.paths import open_model

OWN = ("prompts", "out", "negative", "seed", "count", "size", "fit")
"""The fields in which requests that are drawn together may differ."""

Part = tuple[int, GenerateRequest]
"""Whose (the place of a DrawRequest) and what."""


@dataclass(frozen=True, kw_only=True)
class Glimpse:
    """What those pictures of a request that are in the batch are expected to become, for who asks."""

    step: int
    total: int
    """Steps of the sampler."""
    first: int
    """Place of the first of them among all pictures of the request."""
    images: Callable[[], Images] = field(repr=False)
    """Decodes them: half a step's time of the bundled model, so not at every step."""


@dataclass(frozen=True)
class Ended:
    """The last that is told of a request: all is written, or what went wrong with it."""

    error: Exception | None = None


@dataclass(frozen=True)
class Of:
    """What is told, and of which request."""

    place: int
    event: Event | Glimpse | Ended


def alike(request: DrawRequest) -> tuple[tuple[str, Any], ...]:
    """What requests that are drawn together have in common, by field: a key to group them by."""
    return alike_but(request, OWN)


@device_errors_told("or draw fewer pictures at once (--count)")
def together(
    requests: Sequence[DrawRequest], *, cancelled: Callable[[int], bool] = lambda place: False
) -> Generator[Of, None, None]:
    """Draw and write what `generate` would for each request, at most BATCH pictures at a time.

    What goes wrong with one request alone (its picture cannot be read) is told by its `Ended`, and the others
    go on. So they do when `cancelled` says of a place that nobody waits there any more: from the next step on
    nothing is told of it, nor written.

    Raises:
        ConfigError: the requests are not alike, or a film or a check is asked for.
        ModelFolderError: there is no such model.
    """
    refuse_unlike(requests, OWN)
    one = requests[0]
    if one.film or one.check:
        raise ConfigError("films and checks are made for one request at a time: leave them out")
    orders: dict[int, Order] = {}
    for place, request in enumerate(requests):
        yield from _alone(place, _order(orders, place, request))
    if not orders:
        return
    model = open_model(one.model, one.precision, few_steps=one.few_steps)
    drawings: dict[int, Drawing] = {}
    for place, order in orders.items():
        yield from _alone(place, _begin(drawings, place, order, model))
    yield from _Sitting(model, drawings, cancelled).drawn()


class _Sitting:
    """Requests that are drawn at the same time; who is done, dropped or has failed leaves."""

    def __init__(
        self, model: LatentDiffusion, drawings: dict[int, Drawing], cancelled: Callable[[int], bool]
    ) -> None:
        self.model, self.drawings, self.cancelled = model, drawings, cancelled
        asked = [(place, one) for place, drawing in drawings.items() for one in drawing.asked]
        self.plan = list(_batches(asked))
        self.batches = Counter(place for batch in self.plan for place in dict(batch))
        """How many batches each takes part in."""
        self.finished: Counter[int] = Counter()
        """How many of these are drawn."""

    def drawn(self) -> Generator[Of, None, None]:
        """Draw and write all batches, without those who left before."""
        for planned in self.plan:
            self._drop()
            batch = [(place, part) for place, part in planned if place in self.drawings]
            if not batch:
                continue
            latents = yield from self._steps(batch)
            own = latents.split([part.count for _, part in batch])
            for (place, part), its in zip(batch, own, strict=True):
                if place not in self.drawings:
                    continue
                well = yield from _alone(place, self._write(place, part, its))
                if not well or self.drawings[place].done:
                    del self.drawings[place]

    def _steps(self, batch: Sequence[Part]) -> Generator[Of, None, Latents]:
        """Draw a batch, as long as anybody waits for it; its last latents."""
        shares: Counter[int] = Counter()
        for place, part in batch:
            shares[place] += part.count
        first = {place: len(self.drawings[place].drawn) for place in shares}
        total = len(self.model.levels(batch[0][1])) - 1
        for number, step in enumerate(self.model.steps(*(part for _, part in batch)), start=1):
            for place, x0 in zip(shares, step.x0.split(list(shares.values())), strict=True):
                if place not in self.drawings:
                    continue
                done, all_steps = self.finished[place] * total + number, self.batches[place] * total
                yield Of(place, Progress(stage="drawing", done=done, total=all_steps))
                images = partial(self.model.decode, x0)
                yield Of(place, Glimpse(step=number, total=total, first=first[place], images=images))
            self._drop()
            if not shares.keys() & self.drawings.keys():
                break
        self.finished.update(shares.keys())
        return step.x

    def _write(self, place: int, part: GenerateRequest, latents: Latents) -> Iterator[Event | Ended]:
        """Write the pictures of a part."""
        drawing = self.drawings[place]
        yield from drawing.write(part, to_pil(self.model.finish(part, latents)))
        if drawing.done:
            yield Ended()

    def _drop(self) -> None:
        for place in [place for place in self.drawings if self.cancelled(place)]:
            del self.drawings[place]


def _batches(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """The same pictures in the same order, BATCH by BATCH."""
    while parts:
        batch, rest, room = [], [], BATCH
        for place, one in parts:
            now = min(one.count, room)
            room -= now
            if now:
                batch.append((place, replace(one, count=now)))
            if now < one.count:
                rest.append((place, replace(one, first=one.first + now, count=one.count - now)))
        yield batch
        parts = rest


def _alone(place: int, work: Iterable[Event | Ended]) -> Generator[Of, None, bool]:
    """Tell of what concerns one request alone, its errors too; whether there was none."""
    try:
        for event in work:
            yield Of(place, event)
    except (RhinoiseError, OSError) as error:
        yield Of(place, Ended(error))
        return False
    return True


def _order(orders: dict[int, Order], place: int, request: DrawRequest) -> Iterator[Event]:
    order = Order(request)
    yield from order.told
    orders[place] = order


def _begin(drawings: dict[int, Drawing], place: int, order: Order, model: LatentDiffusion) -> Iterator[Event]:
    drawing = Drawing(order, model)
    yield from drawing.told
    drawings[place] = drawing
