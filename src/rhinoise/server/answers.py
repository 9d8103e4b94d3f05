"""What an error is called in HTTP: STATUS, for every API alike; each API has its own shape around it."""

from typing import Any

from pydantic import BaseModel, Field

from rhinoise.core.errors import DeviceError, DiskFullError, PictureError, RhinoiseError
from rhinoise.server.jobs import Job, NotNowError, NotThereError, QueueFullError

RETRY_SECONDS = 5
"""What a full queue asks for."""
STATUS: dict[type[RhinoiseError], int] = {
    QueueFullError: 429,
    NotThereError: 404,
    NotNowError: 409,
    PictureError: 400,
    DeviceError: 503,
    DiskFullError: 507,
}
BAD, FAULT = 400, 500


def status_of(error: RhinoiseError) -> int:
    """The status of a refusal."""
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), BAD)


def status_of_failed(job: Job) -> int:
    """The status of a job that failed: the request's fault, or the program's."""
    return {None: FAULT, "TooLong": 504, "DeviceError": 503, "DiskFullError": 507}.get(job.sort, BAD)


class RefusalTold(BaseModel):
    """Why a request was not done."""

    error: str = Field(description="One sentence.")


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": RefusalTold} for status in (400, 401, 403, 404, 409, 413, 422, 429, 507)
}
"""What any of our own addresses may answer instead, as the OpenAPI document says it."""
