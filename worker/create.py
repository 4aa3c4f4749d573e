"""Create: take a job from a Celery client that knows this queue by name alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..config.queues import Queue
from ..jobs.accept import accept
from .context import Context


def create(ctx: Context, request: Mapping[str, Any], message_id: str) -> str:
    """Keep the job and return its id; the same message, delivered twice, makes one job."""
    now = ctx.now()
    (job_id,) = ctx.store.add([accept(ctx.settings, request, now)], once=f"message:{message_id}")
    ctx.due.hint(Queue.SUBMIT, [job_id], now)
    return job_id
