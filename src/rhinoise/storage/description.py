"""What a model folder is, told from its JSON files and the headers of its weights; no part is made."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from rhinoise.core.errors import ModelFolderError
from rhinoise.core.files import sha256
from rhinoise.diffusion.schedules import ScheduleConfig
from rhinoise.storage import schedulers
from rhinoise.storage.index import (
    OURS,
    STOCK_LIBRARIES,
    class_of,
    one_line,
    read_facts,
    read_index,
    read_settings,
)

FILES = {"text_encoder": "model.safetensors"}
OTHER_FILES = "diffusion_pytorch_model.safetensors"
"""The weights of a part, by its folder; all others' have the same name."""
FLOATS = {"F32": "fp32", "BF16": "bf16", "F16": "fp16", "F64": "fp64"}
"""What safetensors calls the types of floats, and we."""
PARTS = {"vae": "autoencoder", "text_encoder": "text encoder", "unet": "network", "transformer": "network"}


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part's weights as they lie on the disk."""

    what: str
    name: str
    """Its class."""
    numbers: int
    weights: str
    """The type of most of them."""
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Description:
    """A model folder in facts."""

    facts: Mapping[str, Any]
    """What its training wrote down; empty for a folder of another program."""
    parts: tuple[Part, ...]
    predicts: str
    schedule: ScheduleConfig
    pipeline: str
    """The class that model_index.json names for the whole."""
    foreign: tuple[str, ...]
    """Classes that stock diffusers has not; without any, it opens the folder."""
    hash: str
    """Of the network's weights: what pictures name their model by."""

    @property
    def opened_by(self) -> str:
        """What opens the folder, and why nothing else does."""
        if not self.foreign:
            return f"stock diffusers ({self.pipeline}.from_pretrained), and rhinoise"
        return f"rhinoise alone: diffusers has no {' and no '.join(self.foreign)}"

    @property
    def licences(self) -> list[dict[str, str]]:
        """Of the pictures it was trained on, those of the model that it started from included."""
        return licences_of(self.facts)

    @property
    def licence(self) -> str | None:
        """What the pictures' licences ask of the weights, an SPDX identifier; None: not known."""
        return next((data["model_licence"] for data in self._data() if data.get("model_licence")), None)

    @property
    def unknown(self) -> list[str]:
        """Names of its data sets whose licences are not known."""
        return [data["name"] for data in self._data() if not data.get("licences")]

    def _data(self) -> list[dict[str, Any]]:
        return _data_of(self.facts)

    def rows(self) -> Iterator[tuple[str, str]]:
        """For people."""
        facts = self.facts
        if "recipe" in facts:
            yield "recipe", f"{facts['recipe']}, {facts['size']} x {facts['size']} pixels"
        yield "learns", f"{self.predicts} prediction, schedule {self.schedule.name}"
        for part in self.parts:
            yield (
                part.what,
                f"{part.name}, {counted(part.numbers)} numbers, {part.weights}, {sized(part.bytes)}",
            )
        numbers, bytes_ = (sum(getattr(part, field) for part in self.parts) for field in ("numbers", "bytes"))
        yield "together", f"{counted(numbers)} numbers, {sized(bytes_)}"
        yield "hash", self.hash
        if "data" in facts:
            yield "trained on", f"{facts['data']['name']}, {facts['pictures']} pictures"
        if started := facts.get("started_from"):
            yield "started from", f"{started['recipe']}, {started['hash']}"
        for licence in self.licences:
            yield "pictures", f"{licence['work']}, by {licence['holder']}: {licence['name']}"
        yield "licence", self.licence or "not known: that of its pictures, and whoever trained it, decide"
        yield "opens in", self.opened_by


def licences_of(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """Of all the pictures behind a model that says these facts, each work once."""
    found = [licence for data in _data_of(facts) for licence in data.get("licences", [])]
    return list({licence["work"]: licence for licence in found}.values())


def _data_of(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What it was trained on, and the model that it started from."""
    started = facts.get("started_from") or {}
    return [data for data in (facts.get("data"), started.get("data")) if data]


def describe(folder: Path) -> Description:
    """What a model folder is; ModelFolderError when it is none, half written or damaged."""
    index = read_index(folder)
    network = "transformer" if "transformer" in index else "unet"
    places = ("vae", "text_encoder", network)
    classes = {place: class_of(folder, index, place) for place in (*places, "tokenizer", "scheduler")}
    about = read_facts(folder, ours=OURS in index)
    if about:
        schedule, predicts = about["schedule"], about["predicts"]
    else:
        file = folder / "scheduler" / "scheduler_config.json"
        schedule, predicts = schedulers.from_diffusers(read_settings(file))
    # An encoder of another kind than CLIP's opens as it is, but the stock pipeline does not take it.
    foreign = [name for place, name in classes.items() if index[place][0] not in STOCK_LIBRARIES]
    foreign += ["pipeline for its text encoder"] if classes["text_encoder"] == "AutoModel" else []
    parts = tuple(_part(folder, place, classes[place]) for place in places)
    return Description(
        facts=about.get("facts", {}),
        parts=parts,
        predicts=predicts,
        schedule=schedule,
        pipeline=str(index.get("_class_name", "DiffusionPipeline")),
        foreign=tuple(foreign),
        hash=parts[-1].sha256,
    )


def _part(folder: Path, place: str, name: str) -> Part:
    file = folder / place / FILES.get(place, OTHER_FILES)
    types: Counter[str] = Counter()
    try:
        with safe_open(file, framework="pt") as weights:
            for tensor in weights.keys():  # noqa: SIM118, not a mapping
                part = weights.get_slice(tensor)
                types[part.get_dtype()] += math.prod(part.get_shape())
    except (OSError, SafetensorError) as error:
        raise ModelFolderError(f"{file} cannot be read: {one_line(error)}") from error
    most = types.most_common(1)
    return Part(
        what=PARTS[place],
        name=name,
        numbers=types.total(),
        weights=FLOATS.get(most[0][0], most[0][0]) if most else "nothing",
        bytes=file.stat().st_size,
        sha256=sha256(file),
    )


def counted(numbers: int) -> str:
    """6789000 => "6.8 M"."""
    return f"{numbers / 1e6:.1f} M" if numbers >= 1e5 else str(numbers)


def sized(number: int) -> str:
    """Bytes => "13.6 MB"."""
    return f"{number / 1e6:.1f} MB"
