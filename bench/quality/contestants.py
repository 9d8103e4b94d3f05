"""Who takes part, in which process, and for how long. Only the standard library is imported here."""

from dataclasses import dataclass, field
from pathlib import Path

BUDGETS = (3.0, 6.0, 12.0, 30.0)
"""Minutes that we are trained for."""
LONGEST = 60.0
"""Where a peer is stopped, in minutes."""
STEPS = 20
"""Steps of everybody's sampler; a guided one counts once."""
OURS = "rhinoise"
STUBS = Path(__file__).parents[1] / "peers" / "stubs"


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One way to train."""

    module: str
    """The child process that trains and draws."""
    about: str
    """What it is, for the table."""
    by_caption: bool
    """Whether it draws what it is asked for; the others draw anything."""
    one_training: bool
    """Its rate is constant: after 3 minutes it is on its way to 6. Else each budget is its own."""
    ours: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    seconds_a_picture: float
    """One core's time to draw one, measured; only the plan uses it."""


CONTESTANTS = {
    OURS: Contestant(
        module="bench.quality.ours",
        about="the default recipe: every stage from scratch, one training per budget",
        by_caption=True,
        one_training=False,
        ours=True,
        seconds_a_picture=0.6,
    ),
    "diffusers-text": Contestant(
        module="bench.quality.peers.diffusers_text",
        about="UNet2DConditionModel on latents of its own AutoencoderKL, told MiniLM's token states; "
        "one training per budget, the autoencoder 30 % of it",
        by_caption=True,
        one_training=False,
        seconds_a_picture=1.1,
    ),
    "diffusers-pixels": Contestant(
        module="bench.quality.peers.diffusers_pixels",
        about="UNet2DModel on pixels, as its tutorial trains, draws anything",
        by_caption=False,
        one_training=True,
        seconds_a_picture=2.8,
    ),
    "lucidrains": Contestant(
        module="bench.quality.peers.lucidrains",
        about="denoising-diffusion-pytorch: Unet and GaussianDiffusion with its Trainer's settings, "
        "draws anything",
        by_caption=False,
        one_training=True,
        environment={"PYTHONPATH": str(STUBS)},
        seconds_a_picture=4.0,
    ),
}


@dataclass(frozen=True, order=True)
class Job:
    """A look at one training after some minutes. Sorted so that what is done compares as soon as it can."""

    seed: int
    budget: float
    """Minutes."""
    place: int
    """Among CONTESTANTS."""
    who: str = field(compare=False)

    @property
    def name(self) -> str:
        """What its result is called."""
        return f"{self.who}-{self.seed}-{self.budget:g}"

    @property
    def training(self) -> str:
        """What its training is called: the same for every budget of a training that goes on."""
        return f"{self.who}-{self.seed}" if CONTESTANTS[self.who].one_training else self.name


def jobs(who: list[str], budgets: list[float], seeds: list[int], longest: float) -> list[Job]:
    """Every look at a training, in the order in which they are taken. Peers go on to `longest` minutes."""
    found = []
    for name in who:
        until = budgets if CONTESTANTS[name].ours else sorted({*budgets, longest})
        place = list(CONTESTANTS).index(name)
        found += [Job(seed, budget, place, name) for budget in until for seed in seeds]
    return sorted(found)


def gone_past(every: list[Job], done: set[str]) -> list[Job]:
    """The looks that a training can no longer give: a later one was taken first."""
    return [
        job
        for job in every
        if job.name not in done
        and any(
            other.training == job.training and other.budget > job.budget and other.name in done
            for other in every
        )
    ]


def minutes_to_train(job: Job, every: list[Job]) -> float:
    """What of its budget is left to train once the jobs before it are done."""
    before = [other.budget for other in every if other.training == job.training and other.budget < job.budget]
    return job.budget - max(before, default=0.0)
