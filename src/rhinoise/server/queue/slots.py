"""Who is at what: a slot per worker, and which of them gets which of the jobs that wait."""

from collections.abc import Sequence
from math import ceil

from rhinoise.server.asks import KINDS, shape
from rhinoise.server.queue.link import WorkerLink
from rhinoise.server.store import Job

BATCH = 16
"""Pictures that are drawn at a time, as `pipeline.latent_diffusion.BATCH`."""


class Slot:
    """A worker, and what it is at: at most one drawing (or look into a model) and one training beside it.

    The training gives way to what is drawn on the same worker, at every step.
    """

    def __init__(self, link: WorkerLink) -> None:
        self.link = link
        self.device: str | None = None
        """Where it computes; None until it was up."""
        self.is_ready = False
        """Whether it takes jobs."""
        self.is_ending = False
        """Whether the process was ended from here: no job's fault."""
        self.drawing: set[str] = set()
        """Jobs that are drawn together."""
        self.training: str | None = None

    @property
    def under_way(self) -> list[str]:
        """What the worker was given and has not ended."""
        return [*self.drawing, *([self.training] if self.training else [])]

    def takes(self, job: Job) -> None:
        """It is at this job from now on."""
        if KINDS[job.kind].long:
            self.training = job.id
        else:
            self.drawing.add(job.id)

    def leaves(self, id: str) -> None:
        """It is at this job no more, if it was."""
        self.drawing.discard(id)
        self.training = None if self.training == id else self.training


def handed_out(waiting: Sequence[Job], slots: Sequence[Slot]) -> list[tuple[Slot, list[Job]]]:
    """Which of the slots gets what, of the jobs that wait in this order.

    A training goes where none is, best to a worker that does not draw. Drawings go to workers without a
    training, in equal shares, and to the others only where those have their hands full.
    """
    found: list[tuple[Slot, list[Job]]] = []
    untrained = sorted((slot for slot in slots if slot.training is None), key=lambda slot: bool(slot.drawing))
    trainings = [job for job in waiting if KINDS[job.kind].long]
    found += [(slot, [job]) for slot, job in zip(untrained, trainings, strict=False)]

    drawings = [job for job in waiting if not KINDS[job.kind].long]
    calm = untrained[len(found) :]
    for group in (calm, [slot for slot in slots if slot not in calm]):
        free = [slot for slot in group if not slot.drawing]
        for left, slot in zip(range(len(free), 0, -1), free, strict=True):
            if drawings:
                batch = _batch(drawings, min(BATCH, ceil(sum(map(_pictures, drawings)) / left)))
                drawings = [job for job in drawings if job not in batch]
                found.append((slot, batch))
    return found


def _batch(waiting: Sequence[Job], most: int) -> list[Job]:
    """The first, and those of its shape that fit into a batch of `most` pictures with it.

    One that a worker has ended at is drawn alone: it may be its fault, and no other's.
    """
    first, *rest = waiting
    own = shape(first.kind, first.request)
    batch, pictures = [first], _pictures(first)
    if own is None or first.losses:
        return batch
    for job in rest:
        if not job.losses and shape(job.kind, job.request) == own and pictures + _pictures(job) <= most:
            batch.append(job)
            pictures += _pictures(job)
    return batch


def _pictures(job: Job) -> int:
    return int(job.request.get("count", 1))
