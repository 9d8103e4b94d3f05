"""What a server refuses or leaves undone, beside the tree of `core.errors`."""

from rhinoise.core.errors import RhinoiseError
from rhinoise.server.store import Job


class QueueFullError(RhinoiseError):
    """More jobs wait than the server takes on."""


class NotThereError(RhinoiseError):
    """A job, file or model that there is not."""


class NotNowError(RhinoiseError):
    """What cannot be done to a job in its state."""


class NotDrawnError(RhinoiseError):
    """A job that ended without what was asked for, or has not ended, because the server is ending."""

    def __init__(self, job: Job) -> None:
        self.job = job
        super().__init__(job.error or f"the job {job.id} was {job.state} when it was left")
