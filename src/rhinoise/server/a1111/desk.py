"""What AUTOMATIC1111's API remembers: the model that was chosen, and the requests under way."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request

from rhinoise.core.errors import UnknownNameError
from rhinoise.server.a1111.progress import Going
from rhinoise.server.drawing import drop, ended
from rhinoise.server.queue.jobs import Jobs
from rhinoise.server.store import Job

HASH_LENGTH = 10


class Desk:
    """Of one server."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self.chosen = ""
        """The name of the model that was chosen; "": the server's first."""
        self.under_way: list[Going] = []
        """In the order in which they came."""

    @property
    def is_gone(self) -> bool:
        """Whether the model that was chosen is there no more: the server's first draws until it is again."""
        return self.chosen != "" and self.chosen not in self.jobs.registry.models()

    @property
    def current(self) -> str:
        """The name of the model that draws where none is named; "": the server's first."""
        return "" if self.is_gone else self.chosen

    def models(self) -> list[dict[str, Any]]:
        """Their records: no path of this disk is told."""
        known, records = self.jobs.records, []
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

    async def ended(self, accepted: Sequence[Job], request: Request) -> list[Job]:
        """As `drawing.ended`; meanwhile, these are a request under way."""
        going = Going({job.id: job for job in accepted})
        self.under_way.append(going)
        try:
            return await ended(self.jobs, accepted, request, going.hear)
        finally:
            self.under_way.remove(going)

    def interrupt(self) -> None:
        """End the request that is being drawn."""
        for going in self.under_way[:1]:
            drop(self.jobs, list(going.jobs.values()))

    def skip(self) -> None:
        """End the pictures that are being drawn; the others of the request are drawn."""
        for going in self.under_way[:1]:
            now = [self.jobs.get(id) for id in going.jobs]
            drop(self.jobs, [job for job in now if job.state == "running"])
