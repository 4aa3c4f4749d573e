"""Jobs that others need."""

from datetime import timedelta
from typing import Any

from imagequeue.jobs.job import Image, Job, State
from imagequeue.worker.context import Context
from support.jobs import move

URL = "https://a.example/{}.png"
MIDJOURNEY = "kie-midjourney"


def succeed(ctx: Context, job_id: str, **fields: Any) -> Job:
    """Let a queued or waiting job succeed with two images."""
    expires_at = ctx.now() + timedelta(hours=20)
    images = tuple(
        Image(index=n, source_url=URL.format(n), expires_at=expires_at, state="stored")
        for n in range(2)
    )
    if ctx.store.get(job_id).state is State.QUEUED:
        move(ctx, job_id, State.SUBMITTING, State.WAITING)
    return move(ctx, job_id, State.DOWNLOADING, State.SUCCEEDED, images=images, **fields)
