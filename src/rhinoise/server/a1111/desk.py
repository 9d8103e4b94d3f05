"""What AUTOMATIC1111's API remembers: the model that was chosen, and the requests under way."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rhinoise.core.errors import UnknownNameError
from rhinoise.server.drawing import drop
from rhinoise.server.jobs import Jobs
from rhinoise.server.store import Job

HASH_LENGTH = 10


class Desk:
    """Of one server."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self.chosen = ""
        """The name of the model that was chosen; "": the server's first."""
        self.under_way: list[Sequence[Job]] = []
        """The jobs of each request, in the order in which they came."""

    def models(self) -> list[dict[str, Any]]:
        """Their records: no path of this disk is told."""
        known = (self.jobs.facts or {}).get("models", {})
        records = []
        for name in self.jobs.registry.models():
            sha256 = known.get(name, {}).get("hash") or None
            short = sha256[:HASH_LENGTH] if sha256 else None
            records.append(
                {
                    "title": f"{name} [{short}]" if short else name,
                    "model_name": name,
                    "hash": short,
                    "sha256": sha256,
                    "filename": name,
                    "config": None,
                }
            )
        return records

    def record(self, name: str) -> dict[str, Any]:
        """The record of a model; "": the server's first."""
        name = self.jobs.registry.model(name)
        return next(record for record in self.models() if record["model_name"] == name)

    def name_of(self, title: str) -> str:
        """The model with that title, name or hash; clients change the case. UnknownNameError: none."""
        models = self.models()
        for record in models:
            if title.lower() in (str(record[key]).lower() for key in ("title", "model_name", "hash")):
                return record["model_name"]
        raise UnknownNameError("model", title[:100], [record["title"] for record in models])

    @contextmanager
    def told_of(self, accepted: Sequence[Job]) -> Iterator[None]:
        """Meanwhile, these are a request under way."""
        self.under_way.append(accepted)
        try:
            yield
        finally:
            self.under_way.remove(accepted)

    def interrupt(self) -> None:
        """End the request that is being drawn."""
        if self.under_way:
            drop(self.jobs, self.under_way[0])

    def skip(self) -> None:
        """End the pictures that are being drawn; the others of the request are drawn."""
        if self.under_way:
            now = [job for job in self.under_way[0] if self.jobs.get(job.id).state == "running"]
            drop(self.jobs, now)
