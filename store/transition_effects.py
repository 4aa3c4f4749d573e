"""What a move does besides: what is counted, and who is told of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from ..jobs.job import Job, State
from .counters import Tally


class Effects(NamedTuple):
    """What goes to Redis together with the move, or not at all."""

    counts: Tally
    opened: int
    """How many more of the caller's jobs are open: -1, 0 or 1."""
    webhook: bytes
    """The entry of a webhook that is to be sent; empty for none."""


def effects(before: Job, after: Job) -> Effects:
    """What the move from one job to the other has to tell."""
    moved = before.state is not after.state
    tally = _counted(before, after) if moved else Tally()
    for left_ms in _left_ms(before, after):
        tally.observe("saved.left", left_ms)
    opened = before.is_finished - after.is_finished
    told = moved and after.is_finished and after.webhook_url
    return Effects(tally, opened, webhook_of(after) if told else b"")


def webhook_of(job: Job) -> bytes:
    """The entry of a job's webhook as it is now: the body is what will be signed and sent."""
    body = {
        "type": f"job.{job.state}",
        "timestamp": job.updated_at.isoformat(),
        "data": job.model_dump(mode="json", by_alias=True),
    }
    entry = {
        # The same for every try, so that whoever receives it twice can tell.
        "id": f"{job.id.replace('job_', 'evt_')}_{job.revision}",
        "at": job.updated_at.timestamp(),
        "url": job.webhook_url,
        "body": json.dumps(body, ensure_ascii=False, separators=(",", ":")),
    }
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()


def _counted(before: Job, after: Job) -> Tally:
    tally, cause = Tally(), after.changes[-1].cause.partition(",")[0]
    tally[f"jobs.{before.state}.{before.provider}"] = -1
    tally[f"jobs.{after.state}.{after.provider}"] = 1
    tally[f"transitions.{before.state}.{after.state}.{cause}"] = 1
    stayed = after.updated_at - before.updated_at
    tally.observe(f"stage.{before.state}", stayed.total_seconds() * 1000)
    if after.state is State.FAILED and after.error and after.error.reason:
        tally[f"failed.{after.error.reason}.{after.provider}"] = 1
    return tally


def _left_ms(before: Job, after: Job) -> Iterator[float]:
    """What was left of its URL's life for each image that is saved by this move."""
    known = {image.index for image in before.images if image.saved_at}
    for image in after.images:
        if image.saved_at and image.index not in known:
            left = image.expires_at - image.saved_at
            # Some hosts serve on after they said that they would not.
            yield max(0.0, left.total_seconds() * 1000)
