"""How far a request is, in AUTOMATIC1111's words."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rhinoise.server.queue.jobs import Jobs, Told
from rhinoise.server.store import Job

NOTHING: Mapping[str, Any] = {
    "skipped": False,
    "interrupted": False,
    "stopping_generation": False,
    "job": "",
    "job_count": 0,
    "job_timestamp": "0",
    "job_no": 0,
    "sampling_step": 0,
    "sampling_steps": 0,
}
STAMP = "%Y%m%d%H%M%S"


@dataclass
class Going:
    """A request under way."""

    jobs: dict[str, Job]
    """By id; as they were accepted."""
    steps: dict[str, Told] = field(default_factory=dict)
    """The last that was told of each one's steps."""
    image: str | None = None
    """The last preview, in base64."""

    def hear(self, job: Job, told: Told) -> None:
        """An event of one of the jobs."""
        match told["event"]:
            case "progress":
                self.steps[job.id] = told
            case "preview":
                self.image = told["images"][0].partition("base64,")[2]


def progress(jobs: Jobs, under_way: Sequence[Going], with_image: bool) -> dict[str, Any]:
    """The first request's, or that there is none."""
    if not under_way:
        return _told(0.0, 0.0, NOTHING, None)
    going = under_way[0]
    now = [jobs.get(id) for id in going.jobs]
    running = [going.steps[job.id] for job in now if job.id in going.steps and not job.has_ended]
    over = sum(job.has_ended for job in now)
    share = (over + sum(told["done"] / told["total"] for told in running)) / len(now)
    begun = min(job.created for job in now)
    state = {
        "interrupted": any(job.state == "cancelled" for job in now),
        "job": now[0].id,
        "job_count": len(now),
        "job_timestamp": time.strftime(STAMP, time.localtime(begun)),
        "job_no": over,
        "sampling_step": max((told["done"] for told in running), default=0),
        "sampling_steps": max((told["total"] for told in running), default=0),
    }
    left = (time.time() - begun) * (1 / share - 1) if share else 0.0
    return _told(share, left, {**NOTHING, **state}, going.image if with_image else None)


def _told(share: float, left: float, state: Mapping[str, Any], image: str | None) -> dict[str, Any]:
    return {
        "progress": share,
        "eta_relative": left,
        "state": state,
        "current_image": image,
        "textinfo": None,
    }
