"""Numbers for Prometheus: GET /metrics."""

from collections.abc import Iterable

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from rhinoise.server.asks import KINDS
from rhinoise.server.queue.jobs import Jobs
from rhinoise.server.store import OPEN, STATES, Job

SECONDS = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000, 10_000)


class Queue(Collector):
    """What the queue holds, counted when it is asked for."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The gauges."""
        tally = self.jobs.store.tally()
        kept = GaugeMetricFamily(
            "rhinoise_jobs", "Jobs that are kept, by kind and state.", labels=["kind", "state"]
        )
        for kind in KINDS:
            for state in STATES:
                kept.add_metric([kind, state], tally.get((kind, state), 0))
        yield kept
        length = sum(number for (_, state), number in tally.items() if state in OPEN)
        yield GaugeMetricFamily("rhinoise_queue_length", "Jobs that have not ended.", value=length)
        up = sum(slot.is_ready for slot in self.jobs.dispatch.slots)
        yield GaugeMetricFamily("rhinoise_worker_up", "Workers that take jobs.", value=up)


def router(jobs: Jobs) -> APIRouter:
    """The route, and what counts from now on."""
    registry = CollectorRegistry()
    registry.register(Queue(jobs))
    waited = Histogram(
        "rhinoise_waited_seconds",
        "From when a job was accepted until it was begun.",
        ["kind"],
        registry=registry,
        buckets=SECONDS,
    )
    worked = Histogram(
        "rhinoise_worked_seconds",
        "From when a job was begun until it ended.",
        ["kind"],
        registry=registry,
        buckets=SECONDS,
    )
    ended = Counter("rhinoise_jobs_ended", "Jobs that ended.", ["kind", "state"], registry=registry)
    drawn = Counter("rhinoise_pictures_drawn", "Pictures that were drawn.", registry=registry)

    def changed(job: Job) -> None:
        if job.state == "running" and job.started is not None:
            waited.labels(job.kind).observe(max(0.0, job.started - job.created))
        if job.ended is not None:
            ended.labels(job.kind, job.state).inc()
            if job.started is not None:
                worked.labels(job.kind).observe(max(0.0, job.ended - job.started))
        if job.state == "done" and job.kind == "generate":
            drawn.inc(job.request["count"])

    jobs.watchers.append(changed)
    routes = APIRouter(tags=["server"])

    @routes.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Numbers for Prometheus."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return routes
