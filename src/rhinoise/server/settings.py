"""How a server is set up: where it listens, what it shows, what it keeps, and how much it takes on."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from platformdirs import user_data_path


class FormLimits(TypedDict):
    """As `Request.form` takes them."""

    max_fields: int
    max_part_size: int


LOOPBACK = ("127.0.0.1", "::1", "localhost")
FORM_LIMITS: FormLimits = {"max_fields": 64, "max_part_size": 2**16}
"""Of what is no file in a form, and held in memory: how many fields, and the bytes of each."""
SPOOLED_BYTES = 2**16
"""Of each file in a form that are held in memory: there may be a thousand of them."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is refused; each refusal says so in a sentence."""

    queue: int = 256
    """Jobs that wait or run at a time."""
    pixels: int = 16_777_216
    """Width times height of a picture that is asked for, or sent."""
    steps: int = 250
    """Of a sampler, per picture."""
    count: int = 64
    """Pictures of one job."""
    upload_bytes: int = 32 * 2**20
    """Of one picture that is sent."""
    body_bytes: int = 128 * 2**20
    """Of one request with pictures in base64, which are held in memory."""
    folder_bytes: int = 2 * 2**30
    """Of all the pictures that are dropped for one training, and of any form."""
    job_seconds: float = 1800.0
    """Of one job that is no training."""
    kept_jobs: int = 2000
    """Ended jobs that are kept, with their pictures; older ones are forgotten."""
    upload_hours: float = 24.0
    """How long a picture that was sent is kept; jobs that were given it have copies."""


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """One server."""

    models: tuple[str, ...] = ()
    """Runs, model folders or "bundled"; none: the bundled model, and whatever is trained here."""
    pictures: tuple[Path, ...] = ()
    """Folders that may be trained on, by their names; nothing else of this disk can be asked for."""
    devices: tuple[str, ...] = ()
    """A worker for each of these ("cpu", "mps", "cuda:1"); none: for every accelerator of this machine."""
    host: str = "127.0.0.1"
    port: int = 7860
    data: Path = field(default_factory=lambda: user_data_path("rhinoise"))
    """Where the queue, its pictures, uploads and trained runs are."""
    api_key: str | None = None
    """What every request must carry; wanted wherever `host` is not loopback."""
    log_prompts: bool = False
    """Whether the log tells what is asked for."""
    limits: Limits = field(default_factory=Limits)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in LOOPBACK

    @property
    def runs(self) -> Path:
        """Where trainings that are begun here go."""
        return self.data / "runs"

    @property
    def uploads(self) -> Path:
        """What was sent to be used."""
        return self.data / "uploads"

    @property
    def page(self) -> Path:
        """What the page was sent, or shows."""
        return self.data / "page"

    @property
    def workers(self) -> Path:
        """A folder per worker, which it holds as long as it lives."""
        return self.data / "workers"

    @property
    def jobs(self) -> Path:
        """A folder per job: what it was given in `in`, what it made in `out`."""
        return self.data / "jobs"
