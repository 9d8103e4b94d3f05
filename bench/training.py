"""Training steps: the same U-Net here and in diffusers, and the default recipe beside the ceiling."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from bench.child import ROOT, Child
from bench.environment import STUBS, peers_python
from bench.section import Numbers, Row, Section, number, percent, ratio

BATCH = 16
PEERS: dict[str, dict[str, str]] = {"peer": {}, "tuned peer": {"PYTHONPATH": str(ROOT / "src")}}
"""diffusers as it is, and with our memory settings, which it takes from us; each its environment."""
WITHOUT_AMX = (
    "on a processor without AMX bf16 products are 2 to 3 times as fast as fp32 ones, not 8 to 16 times, so "
    "what is no product costs less beside them: diffusers reaches a third of the ceiling or more, and 3 x of "
    "that is more than there is"
)


@contextmanager
def _matched(quick: bool, kernels: Child) -> Iterator[Callable[[], Numbers]]:
    seconds = 1.0 if quick else 6.0
    with ExitStack() as children, tempfile.TemporaryDirectory() as folder:
        ours = children.enter_context(Child("bench.ours.trainer"))
        peers = {
            name: children.enter_context(
                Child("bench.peers.diffusers_unet", python=peers_python(), environment=path)
            )
            for name, path in PEERS.items()
        }
        about = ours.ask("start", name="matched", batch=BATCH, folder=folder)
        difference = 0.0
        for name, peer in peers.items():
            tuned = name == "tuned peer"
            said = peer.ask("start", folder=folder, batch=BATCH, tuned=tuned, precision="bf16")
            assert said["weights"] == about["weights"]
            difference = said["difference"]

        def measure() -> Numbers:
            found = {"ours": ours.ask("train", name="matched", seconds=seconds), "difference": difference}
            found |= {name: peer.ask("train", seconds=seconds) for name, peer in peers.items()}
            found["ceiling"] = kernels.ask("ceiling", backward=True, seconds=seconds / 2)
            flops = {f"{name}, GFLOP/s": found[name] * about["gflop"] for name in ("ours", *peers)}
            return found | flops

        yield measure


MATCHED = Section(
    name="training",
    title="Training the same U-Net",
    about=(
        f"A cross-attention U-Net of 35.5 M weights on latents of 16 x 16 x 4, batch {BATCH}, the same "
        "weights on both sides: diffusers' UNet2DConditionModel in the loop of its text-to-image example "
        "(accelerate, bf16 autocast, AdamW, clipping) against our training step. EMA is off, and latents "
        "and text states are ready, for both."
    ),
    rows=[
        Row(name="rhinoise", unit="images/s", of=number("ours")),
        Row(name="diffusers", unit="images/s", of=number("peer")),
        Row(name="diffusers with our allocator settings", unit="images/s", of=number("tuned peer")),
        Row(
            name="rhinoise over diffusers", unit="x", of=ratio("ours", "peer"), at_least=3.0, why=WITHOUT_AMX
        ),
        Row(
            name="rhinoise over diffusers with our allocator settings",
            unit="x",
            of=ratio("ours", "tuned peer"),
            at_least=2.5,
            why=WITHOUT_AMX,
        ),
        *(
            Row(name=f"utilisation, {who}", unit="%", of=percent(f"{key}, GFLOP/s", "ceiling"))
            for key, who in (("ours", "rhinoise"), ("peer", "diffusers"))
        ),
        Row(name="largest difference of the answers, fp32", unit="", of=number("difference"), at_most=1e-4),
    ],
    opened=_matched,
)


@contextmanager
def _recipe(quick: bool, kernels: Child) -> Iterator[Callable[[], Numbers]]:
    seconds = 1.0 if quick else 5.0
    stubs = {"PYTHONPATH": str(STUBS)}
    with (
        Child("bench.ours.trainer") as ours,
        Child("bench.peers.lucidrains", python=peers_python(), environment=stubs) as lucidrains,
    ):
        parts = {name: ours.ask("start", name=name) for name in ("denoiser", "autoencoder")}
        lucidrains.ask("start", precision="bf16")

        def measure() -> Numbers:
            found = {name: ours.ask("train", name=name, seconds=seconds) for name in parts}
            found["lucidrains"] = lucidrains.ask("train", seconds=seconds)
            found["ceiling"] = kernels.ask("ceiling", backward=True, seconds=seconds / 2)
            flops = {f"{name}, GFLOP/s": found[name] * about["gflop"] for name, about in parts.items()}
            weights = {f"{name}, M": about["weights"] / 1e6 for name, about in parts.items()}
            return found | flops | weights

        yield measure


RECIPE = Section(
    name="recipe",
    title="Training the default recipe",
    about=(
        "Both stages of the default recipe at 64 px, each at its own batch. Utilisation is the model's "
        "arithmetic (torch's FlopCounterMode) over the fastest product with its backward pass. Beside it "
        "lucidrains' Unet(64, (1, 2, 4)) of 9.9 M weights on pixels, in its Trainer's step, bf16, batch 16."
    ),
    rows=[
        Row(name="denoiser", unit="images/s", of=number("denoiser")),
        Row(name="denoiser", unit="M weights", of=number("denoiser, M")),
        Row(name="autoencoder", unit="images/s", of=number("autoencoder")),
        Row(name="autoencoder", unit="M weights", of=number("autoencoder, M")),
        Row(name="lucidrains, pixels", unit="images/s", of=number("lucidrains")),
        Row(name="ceiling, forward and backward", unit="GFLOP/s", of=number("ceiling")),
        Row(
            name="utilisation, denoiser", unit="%", of=percent("denoiser, GFLOP/s", "ceiling"), at_least=45.0
        ),
        Row(
            name="utilisation, autoencoder",
            unit="%",
            of=percent("autoencoder, GFLOP/s", "ceiling"),
            at_least=60.0,
        ),
    ],
    opened=_recipe,
)
