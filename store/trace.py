"""What the trace of a job says about its transitions."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import redis

from ..config import tracing
from ..jobs.job import Job, State
from . import keys
from .counters import name_bucket
from .transition_effects import measure_job_ms


def trace_transition(client: redis.Redis, job: Job) -> None:
    """Add to the current span what a job has become; the span of a finished job ends here."""
    if not tracing.is_tracing():
        return
    found = {"provider": job.provider, "state": job.state, "task": job.task_id}
    tracing.add_to_span(**{name: str(value) for name, value in found.items() if value})
    if job.is_finished:
        attributes = {f"imagequeue.{name}": str(value) for name, value in found.items() if value}
        error = "" if job.state is State.SUCCEEDED or not job.error else str(job.error.reason)
        tracing.record_job(
            job.id, job.created_at, job.updated_at, {"imagequeue.job": job.id, **attributes}, error
        )
    if job.state is State.SUCCEEDED:
        ms = measure_job_ms(job)
        exemplar = f"{job.id} {ms} {job.updated_at.timestamp()}"
        # Metrics go without it rather than a transition that is done.
        with suppress(redis.RedisError):
            client.hset(keys.EXEMPLARS, name_bucket("job", ms), exemplar)


def trace_accepted(job: Job) -> None:
    """Record that a request became this job."""
    if tracing.is_tracing():
        tracing.record_span("accept", job.id, job.created_at, datetime.now(UTC))
