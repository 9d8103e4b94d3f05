"""What drawing costs against pixels, pictures at a time, steps; the default recipe, one thing at a time."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from bench.child import Child
from bench.section import Numbers, Row, Section, number
from rhinoise.workflows.defaults import DEFAULT_RECIPE

SIZE, COUNT, STEPS = 64, 1, 20
SIZES, COUNTS, MANY_STEPS = (64, 128, 256), (1, 4, 16), (10, 20, 50)
CASES = list(
    dict.fromkeys(
        [
            *((size, COUNT, STEPS) for size in SIZES),
            *((SIZE, count, STEPS) for count in COUNTS),
            *((SIZE, COUNT, steps) for steps in MANY_STEPS),
        ]
    )
)


def _name(size: int, count: int, steps: int) -> str:
    pictures = "a picture" if count == 1 else f"{count} pictures"
    return f"{pictures} of {size} x {size}, {steps} steps"


@contextmanager
def _opened(quick: bool, kernels: Child) -> Iterator[Callable[[], Numbers]]:
    seconds, sizes = (0.0, SIZES[:2]) if quick else (1.0, SIZES)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        models = {size: stack.enter_context(Child("bench.ours.sampler")) for size in sizes}
        for size, model in models.items():
            model.ask("start", recipe=DEFAULT_RECIPE, size=size, folder=f"{folder}/{size}")

        def measure() -> Numbers:
            return {
                _name(size, count, steps): models[size].ask("draw", count=count, steps=steps, seconds=seconds)
                for size, count, steps in CASES
                if size in sizes
            }

        if not quick:
            measure()  # so that each has drawn as much before
        yield measure


COST = Section(
    name="cost",
    title="Cost against size",
    about="The default recipe with the model already open, from the prompt to pixels, guidance 3.",
    rows=[Row(name=_name(*case), unit="s", of=number(_name(*case))) for case in CASES],
    opened=_opened,
)
