"""What a transition writes besides the record: counts, open jobs and a webhook."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..config.logging import get_logger
from ..jobs.job import Job, State
from .counters import PendingCounts

log = get_logger(__name__)


class TransitionEffects(NamedTuple):
    """What is written together with the record, or not at all."""

    counts: PendingCounts
    opened: int
    """How many more open jobs the caller has: -1, 0 or 1."""
    webhook: bytes
    """The entry of the webhook to be sent; empty for none."""


def describe_effects(before: Job, after: Job) -> TransitionEffects:
    """Return the effects of the transition from one job to the other."""
    has_new_state = before.state is not after.state
    counts = _count_transition(before, after) if has_new_state else PendingCounts()
    if not has_new_state and before.provider != after.provider:
        counts.update(_count_jobs(before, after))
    for remaining_ms in _iter_remaining_ms(before, after):
        counts.observe("saved.left", remaining_ms)
    opened = before.is_finished - after.is_finished
    has_webhook = has_new_state and after.is_finished and after.webhook_url
    return TransitionEffects(counts, opened, _build_webhook(after) if has_webhook else b"")


def _build_webhook(job: Job) -> bytes:
    """Return the webhook's entry, a short one for a job that cannot be serialized."""
    try:
        return build_webhook_entry(job)
    except Exception as error:
        log.exception("webhook_not_built", job_id=job.id, error=type(error).__name__)
        return _build_entry(job, {"id": job.id, "state": job.state, "provider": job.provider})


def build_webhook_entry(job: Job) -> bytes:
    """Return the entry of a webhook about the job as it is now; its body is sent unchanged."""
    return _build_entry(job, job.model_dump(mode="json", by_alias=True))


def _build_entry(job: Job, data: Mapping[str, Any]) -> bytes:
    body = {"type": f"job.{job.state}", "timestamp": job.updated_at.isoformat(), "data": data}
    entry = {
        # The same for every attempt, so that receivers can recognise repetitions.
        "id": f"{job.id.replace('job_', 'evt_')}_{job.revision}",
        "at": job.updated_at.timestamp(),
        "url": job.webhook_url,
        "caller": job.submitted_by,
        "body": json.dumps(body, ensure_ascii=False, separators=(",", ":")),
    }
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()


def _count_jobs(before: Job, after: Job) -> dict[str, int]:
    return {
        f"jobs.{before.state}.{before.provider}": -1,
        f"jobs.{after.state}.{after.provider}": 1,
    }


def _count_transition(before: Job, after: Job) -> PendingCounts:
    counts, cause = PendingCounts(), after.changes[-1].cause.partition(",")[0]
    counts.update(_count_jobs(before, after))
    counts[f"transitions.{before.state}.{after.state}.{cause}"] = 1
    duration = after.updated_at - before.updated_at
    counts.observe(f"stage.{before.state}", duration.total_seconds() * 1000)
    if after.state is State.SUCCEEDED:
        counts.observe("job", measure_job_ms(after))
    if after.state is State.FAILED and after.error and after.error.reason:
        counts[f"failed.{after.error.reason}.{after.provider}"] = 1
    return counts


def measure_job_ms(job: Job) -> float:
    """Return how long a job took that has succeeded, from the time when it could be sent."""
    asked_at = max(job.asked_at, job.not_before or job.asked_at)
    return (job.updated_at - asked_at).total_seconds() * 1000


def _iter_remaining_ms(before: Job, after: Job) -> Iterator[float]:
    """Yield the remaining lifetime of the URL of each image that this transition saves."""
    known = {image.index for image in before.all_images if image.saved_at}
    for image in after.all_images:
        if image.saved_at and image.index not in known:
            remaining = image.expires_at - image.saved_at
            # Some hosts serve an image beyond the lifetime that was announced.
            yield max(0.0, remaining.total_seconds() * 1000)
