"""The optional last stage: a trained model => one that draws in a few steps, in RUN/few_steps.

the model draws in few steps => a copy of its network learns its guided answers => a second model folder

The answers are kept in parts of CHUNK drawings, each whole or not there, so that this too goes on where it
was stopped; they are removed when the student is done.
"""

import copy
import json
import math
import shutil
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from rhinoise.core.config import to_json
from rhinoise.core.errors import PlanError, RunFolderError
from rhinoise.core.files import digest, replacing
from rhinoise.core.images import grid, to_pil
from rhinoise.diffusion.timesteps import levels
from rhinoise.evaluation.metrics import psnr
from rhinoise.pipeline.denoiser import Denoiser
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.pipeline.request import GenerateRequest, SamplingConfig
from rhinoise.recipes import Recipe
from rhinoise.storage.run_folder import RunFolder
from rhinoise.training.batches import order
from rhinoise.training.distillation import (
    SAMPLER,
    AnswerBatches,
    DistillationConfig,
    DistillationTask,
)
from rhinoise.training.fit import seconds_per_step
from rhinoise.workflows.events import Event, Progress, Said, Wrote
from rhinoise.workflows.paths import open_model
from rhinoise.workflows.stages.plan import LEAST_STEPS
from rhinoise.workflows.stages.stage import DONE, Clock, Stage, run_stage

STAGE = "few_steps"
KEY, PLANNED, DISTILLED = (f"{STAGE} {what}" for what in ("key", "plan", "done"))
"""What the run's plan calls the distillation that it holds, its budget, and that it is done."""
CHUNK = 32
"""Drawings of the teacher that are made at a time, and kept in one file."""
MOST_BYTES = 4 * 2**30
"""Room that they take at most: with a larger budget each is learnt from more often."""
FIRST = 2**32
"""Index of the first picture that is learnt from: what people draw, and judge it by, has smaller ones."""
SHOWN = 8
"""Pictures in the figure that compares student and teacher."""


def distilled(
    run: RunFolder, clock: Clock, recipe: Recipe, config: DistillationConfig, captions: Sequence[str]
) -> Generator[Event, None, None]:
    """The stage, for the model that the run has."""
    yield from Distillation(run, clock, config, recipe.seed, open_model(run.root), captions).stage()


class Distillation:
    """The stage, and what it needs."""

    def __init__(
        self,
        run: RunFolder,
        clock: Clock,
        config: DistillationConfig,
        seed: int,
        teacher: LatentDiffusion,
        captions: Sequence[str],
    ) -> None:
        self.run, self.clock, self.config, self.seed = run, clock, config, seed
        self.teacher, self.captions, self.folder = teacher, captions, run.state(STAGE)
        own = teacher.sampling
        self.guidance = own.guidance if config.guidance is None else config.guidance
        self.sampling = SamplingConfig(sampler=SAMPLER, spacing=own.spacing, steps=config.steps, guidance=1.0)

    def stage(self) -> Generator[Event, None, None]:
        """All of it; what is done already with the same settings stays as it is."""
        if self.claimed():
            shutil.rmtree(self.folder, ignore_errors=True)  # a kill may have left it
            yield Said(f"{self.run.few_steps} is done already")
            return
        network = copy.deepcopy(self.teacher.parts.network).requires_grad_(True)
        visited = levels(self.teacher.schedule, self.config.steps, spacing=self.sampling.spacing)
        task = DistillationTask(Denoiser(network, self.teacher.denoiser.predicts), visited)
        planned = self.run.recall(PLANNED, lambda: self.planned(task))
        yield from self.draw_all(planned["parts"])
        stage = Stage(
            name=STAGE,
            task=task,
            batches=lambda steps: self.batches(planned["parts"]),
            config=self.config.fit,
            images=planned["images"],
            seconds=lambda: 0.0,
        )
        yield from run_stage(self.run, self.clock, stage)
        student = self.student(network)
        student.save(self.run.few_steps)
        yield Wrote(self.run.few_steps)
        yield from self.compare(student)
        self.run.note(DISTILLED, student.sampling.steps)
        shutil.rmtree(self.folder)

    def claimed(self) -> bool:
        """Begin, or go on with what was begun; True when it is done.

        RunFolderError while another distillation of this run is not finished. One without a plan was refused.
        """
        key = digest(json.dumps(to_json(self.config)), self.teacher.facts["hash"], *self.captions)
        plan = self.run.plan()
        if plan.get(KEY) == key:
            return DISTILLED in plan and self.run.few_steps.is_dir()
        if self.folder.is_dir() and PLANNED in plan and DISTILLED not in plan:
            raise RunFolderError(
                f"another distillation of {self.run.root} is not finished: go on with the same command as "
                f"before, or remove {self.folder}"
            )
        shutil.rmtree(self.folder, ignore_errors=True)
        self.run.forget(STAGE)
        self.run.note(KEY, key)
        return False

    # ------------------------------------------------------------------------------------------ teacher

    def planned(self, task: DistillationTask) -> dict[str, int]:
        """How many parts the teacher draws, and how many answers the student learns from."""
        config, steps = self.config, CHUNK * self.config.steps
        room = max(1, MOST_BYTES // (2 * CHUNK * math.prod(self.shape())))
        if config.images is not None:
            return {
                "parts": min(math.ceil(config.images / config.epochs / steps), room),
                "images": config.images,
            }
        assert config.minutes is not None
        began = time.monotonic()
        for _ in self.draw(0, 1):
            pass
        to_draw = time.monotonic() - began
        to_learn = steps * seconds_per_step(task, self.batches(1), config.fit) / config.fit.batch
        seconds = 60 * config.minutes - (time.monotonic() - began) + to_draw
        parts = min(int(seconds / (to_draw + config.epochs * to_learn)), room)
        images = int((seconds - parts * to_draw) / to_learn * steps)
        if parts < 1 or images < LEAST_STEPS * config.fit.batch:
            needed = to_draw + max(config.epochs, LEAST_STEPS * config.fit.batch / steps) * to_learn
            least = math.ceil(needed / 6) / 10
            raise PlanError(
                f"{config.minutes:g} minutes are too few to distil here: give at least --minutes {least:g}"
            )
        return {"parts": parts, "images": images}

    def draw_all(self, parts: int) -> Iterator[Event]:
        """Those parts that are not there yet."""
        if (self.folder / DONE).is_file():
            return
        for number in range(parts):
            if not self.part(number).is_file():
                yield from self.draw(number, parts)

    def draw(self, number: int, parts: int) -> Iterator[Event]:
        """Draw one part and write it."""
        steps = self.config.steps
        requests = [
            GenerateRequest(
                prompt=caption,
                seed=self.seed,
                first=index,
                steps=steps,
                guidance=self.guidance,
                sampler=SAMPLER,
            )
            for index, caption in enumerate(self.told(number), start=FIRST + number * CHUNK)
        ]
        x, kept = self.teacher.noise(*requests), []
        for done, step in enumerate(self.teacher.steps(*requests), start=1):
            kept.append(torch.stack([x, step.x0], dim=1))
            x = step.x
            yield Progress(stage="answers", done=number * steps + done, total=parts * steps)
        with replacing(self.part(number)) as temporary, temporary.open("wb") as file:
            np.save(file, torch.stack(kept, dim=1).cpu().half().numpy())

    def part(self, number: int) -> Path:
        """The file of one part."""
        return self.folder / f"answers-{number:05d}.npy"

    def told(self, number: int) -> list[str]:
        """The captions of one part."""
        return [self.captions[row] for row in order(self.seed, len(self.captions), CHUNK, number)]

    def shape(self) -> tuple[int, ...]:
        """Of what is kept of one drawing: steps, place and answer, channels, rows, columns."""
        return self.config.steps, 2, *self.teacher.latent_shape(self.teacher.size)

    def batches(self, parts: int) -> AnswerBatches:
        """What the student learns from."""
        return AnswerBatches(
            parts=[np.load(self.part(number), mmap_mode="r") for number in range(parts)],
            captions=[caption for number in range(parts) for caption in self.told(number)],
            embed=self.teacher.embed,
            size=self.config.fit.batch,
            seed=self.seed,
        )

    # ------------------------------------------------------------------------------------------ student

    def student(self, network: nn.Module) -> LatentDiffusion:
        """The trained network in its teacher's place."""
        facts = {name: value for name, value in self.teacher.facts.items() if name != "hash"} | {
            "sampling": to_json(self.sampling),
            "distilled": {"from": self.teacher.facts["hash"], "guidance": self.guidance},
        }
        return LatentDiffusion.of(replace(self.teacher.parts, network=network, facts=facts))

    def compare(self, student: LatentDiffusion) -> Iterator[Event]:
        """Pictures of the teacher, of the teacher in as few steps, and of the student; how far they are."""
        own = self.teacher.sampling
        hurried = replace(self.teacher, sampling=replace(own, steps=self.config.steps))
        shown = np.linspace(0, len(self.captions) - 1, min(SHOWN, len(self.captions))).astype(int)
        prompts = [self.captions[row] for row in shown]
        drawn, seconds = [], []
        for model in (self.teacher, hurried, student):
            began = time.monotonic()
            drawn.append(torch.cat(list(model.illustrate(prompts))))
            seconds.append((time.monotonic() - began) / len(prompts))
        near, nearer = (float(psnr(images, drawn[0]).mean()) for images in drawn[1:])
        yield Said(
            f"{self.config.steps} steps distilled: {seconds[2]:.2f} s a picture, PSNR to the pictures of "
            f"{own.steps} steps ({seconds[0]:.2f} s) {nearer:.1f} dB; not distilled {seconds[1]:.2f} s, "
            f"{near:.1f} dB"
        )
        labels = [
            f"{model}: {prompt}"
            for model in (
                f"{own.steps} steps",
                f"{self.config.steps} steps",
                f"{self.config.steps} distilled",
            )
            for prompt in prompts
        ]
        path = self.run.samples / "few_steps.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        grid(to_pil(torch.cat(drawn)), len(prompts), labels).save(path)
        yield Wrote(path)
