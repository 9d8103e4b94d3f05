"""How fast this machine can be: what every utilisation is measured against."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.child import Child
from bench.section import Numbers, Row, Section, number

KINDS = {
    "product": "matrix product, 1536 x 1536",
    "linear": "linear layer, 4096 tokens of width 1024",
    "convolution": "3 x 3 convolution, 128 channels, 32 pictures of 32 x 32, channels last",
}
PASSES = {"forward": False, "forward and backward": True}
COMBINATIONS = [(kind, dtype, way) for dtype in ("bf16", "fp32") for kind in KINDS for way in PASSES]


@contextmanager
def _opened(quick: bool, kernels: Child) -> Iterator[Callable[[], Numbers]]:
    seconds = 0.2 if quick else 1.0

    def measure() -> Numbers:
        found = {
            f"{kind}, {dtype}, {way}": kernels.ask(
                "rate", kind=kind, dtype=dtype, backward=PASSES[way], seconds=seconds
            )
            for kind, dtype, way in COMBINATIONS
        }
        return found | {"stream": kernels.ask("stream", seconds=seconds)}

    yield measure


CEILINGS = Section(
    name="ceilings",
    title="Ceilings",
    about=(
        "What torch reaches here with nothing in the way. A utilisation below is the model's arithmetic per "
        "second over the fastest of these, measured again in the same round."
    ),
    rows=[
        *(
            Row(name=f"{KINDS[kind]}, {dtype}, {way}", unit="GFLOP/s", of=number(f"{kind}, {dtype}, {way}"))
            for kind, dtype, way in COMBINATIONS
        ),
        Row(name="memory: y = a x + y, two reads and a write", unit="GB/s", of=number("stream")),
    ],
    opened=_opened,
)
