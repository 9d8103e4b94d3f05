"""Drawing: a folder of the stock recipe in stock diffusers and here, and what the default recipe takes."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from bench.child import Child
from bench.environment import peers_python
from bench.section import Numbers, Row, Section, number, percent
from bench.training import PEERS, WITHOUT_AMX
from rhinoise.workflows.defaults import DEFAULT_RECIPE

SIZE = 64
COUNTS = (1, 16)
LAYOUTS = ("contiguous", "channels_last")


@contextmanager
def _opened(quick: bool, kernels: Child) -> Iterator[Callable[[], Numbers]]:
    seconds, counts = (0.0, COUNTS[:1]) if quick else (2.5, COUNTS)
    with ExitStack() as stack:
        here = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours = stack.enter_context(Child("bench.ours.sampler"))
        lean = stack.enter_context(Child("bench.ours.sampler"))
        peers = {
            name: stack.enter_context(
                Child("bench.peers.diffusers_pipeline", python=peers_python(), environment=path)
            )
            for name, path in PEERS.items()
            if name == "peer" or not quick
        }
        asked = ours.ask("start", recipe="stock", size=SIZE, folder=str(here / "stock"))
        lean.ask("start", recipe=DEFAULT_RECIPE, size=SIZE, folder=str(here / "default"))
        for name, peer in peers.items():
            peer.ask("start", folder=str(here / "stock"), tuned=name == "tuned peer", **asked)
        latents = {count: str(here / f"latents-{count}.npy") for count in counts}
        for count, file in latents.items():
            ours.ask("first_latents", count=count, file=file)
        same = _differences(ours, peers["peer"], latents[1], here)
        gflop = {}
        if not quick:
            gflop = {
                name: child.ask("gflop", count=16) for name, child in (("ours", ours), ("default", lean))
            }

        def measure() -> Numbers:
            found = dict(same)
            for count in counts:
                found[f"ours, {count}"] = ours.ask("draw", count=count, seconds=seconds)
                for name, peer in peers.items():
                    found[f"{name}, {count}"] = min(
                        peer.ask("draw", layout=layout, latents=latents[count], seconds=seconds / 2)
                        for layout in LAYOUTS
                    )
                found[f"default, {count}"] = lean.ask("draw", count=count, seconds=seconds)
            found["ceiling"] = kernels.ask("ceiling", backward=False, seconds=seconds)
            return found | {f"{who}, GFLOP/s": gflop[who] / found[f"{who}, 16"] for who in gflop}

        measure()  # so that everybody has drawn as much before
        yield measure


def _differences(ours: Child, peer: Child, latents: str, here: Path) -> dict[str, float]:
    """The largest and the mean difference of one picture's pixels, in 255ths, in both types."""
    found: dict[str, float] = {}
    for precision, dtype in (("fp32", "float32"), ("bf16", "bfloat16")):
        files = [str(here / f"{who}-{precision}.npy") for who in ("ours", "peer")]
        ours.ask("pictures", count=1, precision=precision, file=files[0])
        peer.ask("pictures", dtype=dtype, latents=latents, file=files[1])
        gap = np.abs(np.load(files[0]) - np.load(files[1])) * 127.5
        found |= {f"largest, {precision}": float(gap.max()), f"mean, {precision}": float(gap.mean())}
    return found


def _over(peer: str, count: int) -> Callable[[Numbers], float]:
    return lambda numbers: numbers[f"{peer}, {count}"] / numbers[f"ours, {count}"]


SAMPLING = Section(
    name="sampling",
    title="Drawing from a stock folder",
    about=(
        "A model of the recipe `stock` at 64 px (random weights), opened by diffusers' "
        "StableDiffusionPipeline in bf16, in the faster of its two memory formats, and by us: the same "
        "prompt, first latents, solver (DPM-Solver++ 2M), 20 steps, guidance 3, from the prompt to pixels. "
        "Utilisation is the arithmetic of all of that over the fastest forward product."
    ),
    rows=[
        *(
            Row(name=f"{who}, batch {count}", unit="s", of=number(f"{key}, {count}"))
            for count in COUNTS
            for who, key in (
                ("rhinoise", "ours"),
                ("diffusers", "peer"),
                ("diffusers with our allocator settings", "tuned peer"),
                ("rhinoise, default recipe", "default"),
            )
        ),
        *(
            Row(
                name=f"rhinoise over diffusers, batch {count}",
                unit="x",
                of=_over("peer", count),
                at_least=3.0,
                why=WITHOUT_AMX,
            )
            for count in COUNTS
        ),
        *(
            Row(
                name=f"rhinoise over diffusers with our allocator settings, batch {count}",
                unit="x",
                of=_over("tuned peer", count),
            )
            for count in COUNTS
        ),
        Row(name="ceiling, forward", unit="GFLOP/s", of=number("ceiling")),
        Row(
            name="utilisation at batch 16, rhinoise",
            unit="%",
            of=percent("ours, GFLOP/s", "ceiling"),
            at_least=40.0,
        ),
        Row(
            name="utilisation at batch 16, rhinoise, default recipe",
            unit="%",
            of=percent("default, GFLOP/s", "ceiling"),
        ),
        *(
            Row(
                name=f"{kind} difference of a pixel, {precision}",
                unit="of 255",
                of=number(f"{kind}, {precision}"),
                at_most=1.0 if (kind, precision) == ("largest", "fp32") else None,
            )
            for precision in ("fp32", "bf16")
            for kind in ("largest", "mean")
        ),
    ],
    opened=_opened,
)
