"""Diffusion of latents against diffusion of pixels: the same denoiser, the same wall clock."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from bench.child import Child
from bench.section import Numbers, Row, Section, number, ratio

SPACES = {
    "latents": "latents",
    "folded": "pixels, 4 x 4 folded into one",
    "pixels": "pixels, one by one",
}
LEARN = 75.0
"""Seconds of training before pictures are judged."""
SAMPLES = 96


@contextmanager
def _opened(quick: bool, kernels: Child) -> Iterator[Callable[[], Numbers]]:
    seconds = 0.0 if quick else 4.0
    quality = {} if quick else _learnt()
    with ExitStack() as stack:
        spaces = {name: stack.enter_context(Child("bench.ours.space")) for name in SPACES}
        facts = {name: space.ask("start", space=name) for name, space in spaces.items()}

        def measure() -> Numbers:
            found = dict(quality)
            for name, space in spaces.items():
                trained = space.ask("train", seconds=seconds)
                found |= {f"{name}, step": trained["seconds"], f"{name}, memory": trained["memory"]}
                found[f"{name}, M"] = facts[name]["weights"] / 1e6
                found[f"{name}, KiB"] = facts[name]["bytes"] / 2**10
            for name, space in spaces.items():
                found[f"{name}, draw"] = space.ask("draw", seconds=seconds / 2)
            return found

        yield measure


def _learnt() -> dict[str, float]:
    """What each has learnt after as many seconds: the same in every round, for it takes minutes."""
    found: dict[str, float] = {}
    for name in SPACES:
        with Child("bench.ours.space") as space:
            learnt = space.ask("learn", space=name, seconds=LEARN, samples=SAMPLES)
            found |= {f"{name}, {what}": value for what, value in learnt.items()}
    with Child("bench.ours.space") as space:
        found |= {f"real, {what}": value for what, value in space.ask("real", samples=SAMPLES).items()}
    return found


def _each(title: str, unit: str, key: str) -> list[Row]:
    return [Row(name=f"{title}, {SPACES[name]}", unit=unit, of=number(f"{name}, {key}")) for name in SPACES]


LATENT = Section(
    name="latent",
    title="Latents against pixels",
    about=(
        "The default recipe's denoiser at 64 px, of the same width and depth, on its autoencoder's latents "
        "(16 x 16 x 8) and on pixels (64 x 64 x 3): folded, it has as many tokens, and one by one 16 times "
        "as many. A step is of 16 pictures; a picture is drawn as the recipe draws, decoding counted; memory "
        "is the most that a process of its own took for its steps. Quality: each is trained for "
        f"{LEARN:.0f} seconds, which hold the autoencoder's training and the encoding of its pictures, too; "
        f"{SAMPLES} pictures of their captions (10 steps, no guidance) against real ones that nobody has "
        "seen, in the features of EfficientNet-Lite0. Measured once, not in every round."
    ),
    rows=[
        *_each("a training step", "s", "step"),
        *_each("a picture, 20 steps, guided", "s", "draw"),
        Row(name="pixels over latents, training", unit="x", of=ratio("pixels, step", "latents, step")),
        Row(name="pixels over latents, drawing", unit="x", of=ratio("pixels, draw", "latents, draw")),
        *_each("a batch's inputs", "KiB", "KiB"),
        *_each("memory, training", "MiB", "memory"),
        *_each("weights", "M", "M"),
        *_each(f"pictures seen in {LEARN:.0f} s", "", "pictures"),
        *_each(f"kernel distance (KID) after {LEARN:.0f} s", "x 1000", "kid"),
        *_each("its standard error", "x 1000", "error"),
        Row(name="kernel distance of as many real pictures", unit="x 1000", of=number("real, kid")),
        Row(name="its standard error", unit="x 1000", of=number("real, error")),
    ],
    opened=_opened,
)
