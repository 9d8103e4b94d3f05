"""Whether a model has learnt a language: the suite's two hundred prompts, drawn and judged.

The judge is taught by real pictures alone, the first time on this machine, and kept; its own accuracy on real
pictures that it was not taught by stands beside every score.
"""

import json
import time
from collections.abc import Generator, Sequence
from dataclasses import asdict, replace

import numpy as np
import torch
from jaxtyping import Int
from PIL import Image

from rhinoise.core.errors import ConfigError
from rhinoise.core.files import cache_folder, digest
from rhinoise.core.images import grid, to_pil
from rhinoise.core.shapes import Images
from rhinoise.data.composed import ORIGINAL, open_composed
from rhinoise.data.dataset import Dataset
from rhinoise.data.pixels import Preparation, Prepared
from rhinoise.data.suite import SuitePrompt, asked, plain, suite
from rhinoise.evaluation.judge import SIZE, Judge, Seen, half, kept_back, open_judge, shrunk, taught
from rhinoise.evaluation.sight import Sight
from rhinoise.evaluation.spaces import Space, blocks
from rhinoise.evaluation.verdict import Accuracy, accuracy, verdict
from rhinoise.nets.features import EfficientNetLite0
from rhinoise.storage.provenance import parameters_text, write_png
from rhinoise.workflows.defaults import DEFAULT_SAMPLES
from rhinoise.workflows.events import Event, Progress, Said, Wrote
from rhinoise.workflows.pictures import prepared_pictures
from rhinoise.workflows.scoring.scores import Drawing, SuiteScores
from rhinoise.workflows.scoring.trained import EvaluateRequest, drawn, open_trained

SET = "emoji_composed"
"""What the suite's seen half was trained on by, and the judge is taught by."""
COLUMNS, SHOWN = 10, 192
"""Pictures in a row of a sheet, and pixels a side that they are enlarged to: captions are read at 100 %."""


def suite_scores(request: EvaluateRequest) -> Generator[Event, None, SuiteScores]:
    """Draw and judge; write `suite` of scores.json and the two sheets; return the scores."""
    began = time.monotonic()
    if (request.data, request.features, request.samples) != (None, None, DEFAULT_SAMPLES):
        raise ConfigError(
            "--suite brings its own prompts and its own judge: leave --data, --features and --samples out"
        )
    trained = open_trained(replace(request, data=SET))
    losses = trained.recipe.losses
    if losses.perceptual and losses.perceptual_features == EfficientNetLite0.name:
        raise ConfigError(
            f"the suite's judge sees by {EfficientNetLite0.name}, which the autoencoder of this model was "
            "trained to please: it cannot judge it fairly"
        )
    sight = Sight()
    judge, real = yield from ready_judge(sight)
    prompts = suite()
    model, run = trained.model, trained.run
    if model.facts.get("data", {}).get("name") != SET:
        yield Said(f"half of the prompts were trained on by models of {SET}; this model is of other pictures")
    yield Said(f"drawing {len(prompts)} pictures, seed {request.seed}")
    drew = time.monotonic()
    images = yield from drawn(model, [one.prompt for one in prompts], request.seed, "the suite's prompts")
    each = (time.monotonic() - drew) / len(prompts)
    yield Said("judging them")
    looks = judge.look(sight, images)
    own = model.sampling
    scores = SuiteScores(
        drawing=Drawing(
            sampler=own.sampler,
            steps=own.steps,
            guidance=own.guidance,
            seed=request.seed,
            pictures=len(prompts),
            seconds_each=each,
        ),
        seen=_of(prompts, looks, seen=True),
        unseen=_of(prompts, looks, seen=False),
        real=real,
        prompts=tuple(
            {"prompt": one.prompt, "seen": one.seen, "right": verdict(one, look), "taken_for": asdict(look)}
            for one, look in zip(prompts, looks, strict=True)
        ),
        seconds=round(time.monotonic() - began, 1),
    )
    yield trained.keep({"suite": scores})
    for name, seen in (("suite_seen.png", True), ("suite_unseen.png", False)):
        part = [i for i, one in enumerate(prompts) if one.seen == seen]
        labels = [_label(prompts[i], looks[i]) for i in part]
        write_png(
            sheet(images[part], labels),
            run.samples / name,
            parameters=parameters_text(f"the suite's {len(part)} prompts", "", {"Seed": request.seed}),
            request={"suite": labels, "seed": request.seed},
            model_hash=model.facts.get("hash", ""),
        )
        yield Wrote(run.samples / name)
    return scores


def _label(prompt: SuitePrompt, seen: Seen) -> str:
    """The prompt, and whether all of it is there."""
    return f"{prompt.prompt} {'✓' if verdict(prompt, seen)['everything'] else '✗'}"


def _of(prompts: Sequence[SuitePrompt], looks: Sequence[Seen], *, seen: bool) -> tuple[Accuracy, ...]:
    part = [i for i, one in enumerate(prompts) if one.seen == seen]
    return accuracy([prompts[i] for i in part], [looks[i] for i in part])


# --- the judge


def ready_judge(sight: Space) -> Generator[Event, None, tuple[Judge, tuple[Accuracy, ...]]]:
    """The judge, and its accuracy on real pictures: as it is kept, or taught now."""
    dataset = open_composed()
    words = json.dumps([dict(example.tags) for example in dataset.examples], sort_keys=True)
    key = digest("judge", sight.name, words, *(example.digest for example in dataset.examples))
    file = cache_folder() / "judges" / f"{key}.safetensors"
    if not file.is_file():
        yield Said(f"teaching the judge, by the pictures of {SET}: once, minutes")
        prepared = yield from prepared_pictures(dataset, Preparation(size=SIZE))
        judge = yield from _taught(sight, prepared)
        judge.save(file, {"real": [asdict(found) for found in _examined(judge, sight, prepared)]})
    judge, facts = open_judge(file)
    return judge, tuple(Accuracy(**found) for found in facts["real"])


def _taught(sight: Space, prepared: Prepared) -> Generator[Event, None, Judge]:
    """The judge that all pictures make but those that are kept back."""
    examples = prepared.dataset.examples
    used = [i for i, example in enumerate(examples) if not kept_back(example)]
    pairs = [i for i in used if examples[i].tags["count"] == "2"]
    originals = [i for i in used if examples[i].tags["kind"] == ORIGINAL]
    two, array = prepared.array[pairs], prepared.array
    pixels = np.concatenate([array[used], half(two, "left"), half(two, "right"), shrunk(array[originals])])
    parts = []
    for part in blocks(sight, pixels, cache_folder() / "features"):
        parts.append(part)
        yield Progress(stage="teaching", done=sum(map(len, parts)), total=len(pixels), unit="picture")
    sizes = [len(used), len(pairs), len(pairs), len(originals)]
    return taught([examples[i] for i in used], *torch.cat(parts).split(sizes))


def _examined(judge: Judge, sight: Space, prepared: Prepared) -> tuple[Accuracy, ...]:
    """How the judge does on pictures that it was not taught by, of such subjects as the suite asks for."""
    kept = examined(prepared.dataset)
    questions = [asked(prepared.dataset.examples[i].tags, seen=True) for i in kept]
    return accuracy(questions, judge.look(sight, prepared.images(kept.tolist())))


def examined(dataset: Dataset) -> Int[np.ndarray, "k"]:
    """The pictures of the judge's examination."""
    kept = (kept_back(example) and plain(example.tags) for example in dataset.examples)
    return np.flatnonzero(list(kept))


# --- to look at


def sheet(images: Images, labels: Sequence[str]) -> Image.Image:
    """Pictures, small ones enlarged, with captions below."""
    side = max(SHOWN, images.shape[-1])
    large = [image.resize((side, side), Image.Resampling.BICUBIC) for image in to_pil(images)]
    return grid(large, COLUMNS, labels)
