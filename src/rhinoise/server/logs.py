"""The log: a JSON object per line on stderr. What was asked for is told only where that is wanted."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from rhinoise.server.queue.jobs import Jobs
from rhinoise.server.store import Job

log = logging.getLogger(__name__)

_OWN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
"""What every record has; the rest was given as `extra`."""


class Lines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Its time in UTC, level, origin, sentence, and whatever it was given besides."""
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "from": record.name,
            "message": record.getMessage(),
        }
        told |= {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return json.dumps(told, default=str)


def log_to_stderr() -> None:
    """Our own lines, and those that warn from elsewhere."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("rhinoise").setLevel(logging.INFO)


def log_jobs(jobs: Jobs) -> None:
    """A line whenever a job changes its state."""

    def changed(job: Job) -> None:
        told: dict[str, Any] = {"job": job.id, "kind": job.kind, "state": job.state, "source": job.source}
        if job.started is not None:
            told["waited"] = round(job.started - job.created, 3)
            if job.ended is not None:
                told["worked"] = round(job.ended - job.started, 3)
        if job.state == "failed":
            told["sort"] = job.sort
        if jobs.config.log_prompts:
            told |= {"request": dict(job.request), "error": job.error}
        log.info("a job is %s", job.state, extra=told)

    jobs.watchers.append(changed)
