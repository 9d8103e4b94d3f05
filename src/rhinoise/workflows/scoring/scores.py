"""What an evaluation found: one record, for scores.json and as tables for people."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from rhinoise.core.config import from_json
from rhinoise.core.files import read_json
from rhinoise.diffusion.forward import DECIBELS
from rhinoise.evaluation.clip import ClipScore
from rhinoise.evaluation.distribution import Comparison, Diversity
from rhinoise.evaluation.levels import LevelLoss
from rhinoise.evaluation.memorisation import LABELS, Calibration, Rates
from rhinoise.evaluation.metrics import Retrieval
from rhinoise.evaluation.scores import AutoencoderScore
from rhinoise.evaluation.verdict import POINTS, Accuracy

Row = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """How the pictures were drawn, and what one took."""

    sampler: str
    steps: int
    guidance: float
    seed: int
    pictures: int
    seconds_each: float

    def __str__(self) -> str:
        return f"{self.sampler}, {self.steps} steps, guidance {self.guidance:g}, seed {self.seed}"


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """How like real pictures the drawn ones are as a set, beside controls of the same number.

    All four are compared with one reference: training pictures, none of which is of a prompt's own. `drawn`
    holds the pictures drawn for training captions, `real` these captions' own pictures: whoever draws them
    exactly scores as they do.
    """

    samples: int
    drawn: Comparison
    real: Comparison
    grey: Comparison
    noise: Comparison


@dataclass(frozen=True, kw_only=True)
class InFeatures:
    """What was measured in a feature space; what is None could not be, of so few pictures or captions."""

    space: str
    likeness: Likeness | None
    retrieval: Retrieval | None
    """How often the picture drawn for a held-out caption is nearest to that caption's own."""
    retrieval_trained: Retrieval | None
    """The same for captions that were trained on."""
    diversity: Diversity


@dataclass(frozen=True, kw_only=True)
class Replicas:
    """How often a model draws replicas, for which kind of prompt; and real unseen pictures pass for some."""

    views: tuple[str, ...]
    training_pictures: int
    calibration: Calibration
    rates: dict[str, Rates]
    """By whose captions were drawn: training, held-out, composed."""
    seconds_each: float
    """What looking a picture up took."""

    def rows(self) -> list[tuple[str, ...]]:
        """For people: what the calibration gave, and each kind of prompt."""
        columns = self.rates | {"real unseen pictures": self.calibration.tested}
        head = ("", *LABELS, "median ratio", "pictures")
        return [head, *((what, *_cells(found)) for what, found in columns.items())]


def _cells(found: Rates) -> tuple[str, ...]:
    labels = (f"{found.labels[label]:.1%}" if found.labels else "-" for label in LABELS)
    return (*labels, "-" if found.score is None else f"{found.score:.2f}", str(found.pictures))


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What was measured."""

    model_hash: str
    data: str
    pictures: int
    held_out: bool
    """Whether the model has never seen these pictures; a small set holds none out."""
    autoencoder: AutoencoderScore
    loss: float
    """Mean squared error of the network's answer, a mean over `levels`."""
    levels: tuple[LevelLoss, ...]
    drawing: Drawing
    features: InFeatures | None
    clip: ClipScore | None
    seconds: float
    replicas: Replicas | None = None
    """None of other pictures than the model was trained on."""

    def tables(self) -> list[tuple[str, list[Row]]]:
        """Titles and rows, for people."""
        tables = [(f"the model, on {self.pictures} {self._which} pictures", self._model_rows())]
        drawing = self.drawing
        rows: list[Row] = [
            ("seconds per picture, 16 at a time", f"{drawing.seconds_each:.2f}"),
            ("drawn", str(drawing.pictures)),
        ]
        if self.clip is not None:
            rows += [
                (f"CLIP score ({self.clip.model})", f"{self.clip.drawn:.1f}"),
                ("  of the real pictures", f"{self.clip.real:.1f}"),
            ]
        tables.append((f"drawing ({drawing})", rows))
        if self.features is not None:
            tables.append(
                (f"what is drawn, in features of {self.features.space}", _features_rows(self.features))
            )
            if self.features.likeness is not None:
                likeness = self.features.likeness
                title = (
                    f"{likeness.samples} pictures drawn for training captions, and controls, against "
                    f"{likeness.samples} other training pictures, in features of {self.features.space}"
                )
                tables.append((title, _likeness_rows(likeness)))
        if self.replicas is not None:
            title = f"replicas of {self.replicas.training_pictures} training pictures, by what was drawn for"
            tables.append((title, self.replicas.rows()))
        return tables

    @property
    def _which(self) -> str:
        return "held-out" if self.held_out else "training"

    def _model_rows(self) -> list[Row]:
        return [
            ("autoencoder, PSNR", f"{self.autoencoder.psnr:.1f} dB"),
            ("autoencoder, SSIM", f"{self.autoencoder.ssim:.3f}"),
            ("denoiser, loss", f"{self.loss:.4f}"),
            *(
                (f"  at t {level.time:g}, SNR {DECIBELS * level.log_snr:.0f} dB", f"{level.answer:.4f}")
                for level in self.levels
            ),
        ]


@dataclass(frozen=True, kw_only=True)
class SuiteScores:
    """How often a judge found what was asked for in what was drawn, and how often in real pictures."""

    drawing: Drawing
    seen: tuple[Accuracy, ...]
    unseen: tuple[Accuracy, ...]
    real: tuple[Accuracy, ...]
    """Of pictures that the judge was not taught by: its ceiling."""
    prompts: tuple[dict[str, Any], ...]
    """Each prompt, what its picture was taken for, and which points are right."""
    seconds: float

    def tables(self) -> list[tuple[str, list[Row]]]:
        """Titles and rows, for people."""
        title = f"{len(self.prompts)} prompts ({self.drawing}), by a judge taught by real pictures alone"
        seen, unseen, real = (
            {one.point: one for one in side} for side in (self.seen, self.unseen, self.real)
        )
        rows: list[Row] = [("", "trained on", "chance", "not trained on", "chance", "judge on real ones")]
        rows += [
            (
                name,
                *(cell for side in (seen, unseen) for cell in (_right(side, point), _chance(side, point))),
                _right(real, point),
            )
            for point, name in POINTS.items()
        ]
        return [(title, rows)]


def _right(side: Mapping[str, Accuracy], point: str) -> str:
    return f"{side[point].right:.0%} of {side[point].among}" if point in side else "-"


def _chance(side: Mapping[str, Accuracy], point: str) -> str:
    return f"{side[point].chance:.1%}" if point in side else "-"


def kept_scores(file: Path, model_hash: str) -> dict[str, Any]:
    """What a scores.json holds of this very model; empty where it is another's, or not there."""
    found = read_json(file) if file.is_file() else {}
    return found if found.get("model_hash") == model_hash else {}


def kept_tables(found: Mapping[str, Any]) -> list[tuple[str, list[Row]]]:
    """The tables of what a scores.json holds."""
    own = {field.name: found[field.name] for field in fields(Scores) if field.name in found}
    needed = {field.name for field in fields(Scores) if field.default is MISSING}
    tables = from_json(Scores, own).tables() if needed <= own.keys() else []
    return tables + (from_json(SuiteScores, found["suite"]).tables() if "suite" in found else [])


def _features_rows(seen: InFeatures) -> list[Row]:
    rows: list[Row] = []
    for what, found in (("held-out", seen.retrieval), ("training", seen.retrieval_trained)):
        if found is not None:
            rows += [
                (f"{what} caption finds its own picture first among {found.among}", f"{found.top1:.1%}"),
                ("  within the first five", f"{found.top5:.1%}"),
                ("  by chance", f"{1 / found.among:.1%}, {min(1, 5 / found.among):.1%}"),
            ]
    apart = seen.diversity
    return [
        *rows,
        ("diversity: distance of two pictures of one prompt", f"{apart.within:.2f}"),
        ("  of any two real pictures", f"{apart.real:.2f}"),
        ("  ratio", f"{apart.ratio:.2f}"),
    ]


def _likeness_rows(likeness: Likeness) -> list[Row]:
    columns = {
        "drawn": likeness.drawn,
        "real": likeness.real,
        "grey": likeness.grey,
        "noise": likeness.noise,
    }
    found = columns.values()
    return [
        ("", *columns),
        ("Frechet distance", *(f"{one.frechet:.1f}" for one in found)),
        ("KID", *(f"{one.kernel.mean:.4f}" for one in found)),
        ("  standard error", *(f"{one.kernel.error:.4f}" for one in found)),
        ("precision", *(f"{one.manifolds.precision:.3f}" for one in found)),
        ("recall", *(f"{one.manifolds.recall:.3f}" for one in found)),
    ]
