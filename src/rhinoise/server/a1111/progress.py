"""How far a request is, in AUTOMATIC1111's words."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rhinoise.server.jobs import Jobs
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


def progress(jobs: Jobs, under_way: Sequence[Sequence[Job]], with_image: bool) -> dict[str, Any]:
    """The first request's, or that there is none."""
    if not under_way:
        return _told(0.0, 0.0, NOTHING, None)
    now = [jobs.get(job.id) for job in under_way[0]]
    done, steps, image = 0, 0, None
    shares = []
    for job in now:
        share = float(job.has_ended)
        for event in jobs.live[job.id].events.values() if job.state == "running" else ():
            if event["event"] == "progress" and event["total"]:
                done, steps = event["done"], event["total"]
                share = done / steps
            elif event["event"] == "preview" and event["images"]:
                image = event["images"][0].partition("base64,")[2]
        shares.append(share)
    share = sum(shares) / len(shares)
    spent = time.time() - min(job.created for job in now)
    state = {
        "interrupted": any(job.state == "cancelled" for job in now),
        "job": now[0].id,
        "job_count": len(now),
        "job_timestamp": time.strftime(STAMP, time.localtime(now[0].created)),
        "job_no": sum(job.has_ended for job in now),
        "sampling_step": done,
        "sampling_steps": steps,
    }
    left = spent / share - spent if share else 0.0
    return _told(share, left, {**NOTHING, **state}, image if with_image else None)


def _told(share: float, left: float, state: Mapping[str, Any], image: str | None) -> dict[str, Any]:
    return {
        "progress": share,
        "eta_relative": left,
        "state": state,
        "current_image": image,
        "textinfo": None,
    }
