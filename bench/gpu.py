"""Training on a GPU: a transformer that fills one, against the fastest product it does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.child import Child
from bench.section import Numbers, Row, Section, number, percent

BATCH = 128
STEPS = {"none": "as they are", "inductor": "compiled (torch.compile, inductor)"}


def _lacks() -> str:
    import torch

    return "" if torch.cuda.is_available() else "no GPU"


@contextmanager
def _opened(quick: bool, kernels: Child) -> Iterator[Callable[[], Numbers]]:
    seconds = 2.0 if quick else 10.0
    # One after the other, not beside each other: a GPU's memory is for one of them.
    gflop = 0.0

    def measure() -> Numbers:
        nonlocal gflop
        found = {}
        for compiler in STEPS:
            with Child("bench.ours.trainer") as trainer:
                about = trainer.ask("start", name="large", batch=BATCH, compiler=compiler)
                gflop = gflop or about["gflop"]
                found[compiler] = trainer.ask("train", name="large", seconds=seconds)
                found[f"{compiler}, GFLOP/s"] = found[compiler] * gflop
                found["M"] = about["weights"] / 1e6
        return found | {"ceiling": kernels.ask("ceiling", backward=True, seconds=seconds / 2)}

    yield measure


GPU = Section(
    name="gpu",
    title="Training on a GPU",
    about=(
        "Our transformer of width 768 and depth 12 on latents of 32 x 32 x 4 (256 tokens), batch "
        f"{BATCH}, bf16 autocast, torch's own fused attention: whole steps, from batches in main memory to "
        "the optimizer, as they are and compiled. Utilisation is the model's arithmetic over the fastest "
        "product with its backward pass. CUDA graphs are not taken."
    ),
    rows=[
        Row(name="weights", unit="M", of=number("M")),
        *(Row(name=f"steps {name}", unit="images/s", of=number(key)) for key, name in STEPS.items()),
        Row(name="ceiling, forward and backward", unit="GFLOP/s", of=number("ceiling")),
        Row(name="utilisation, steps as they are", unit="%", of=percent("none, GFLOP/s", "ceiling")),
        Row(
            name="utilisation, compiled steps",
            unit="%",
            of=percent("inductor, GFLOP/s", "ceiling"),
            at_least=40.0,
        ),
    ],
    opened=_opened,
    lacks=_lacks,
)
