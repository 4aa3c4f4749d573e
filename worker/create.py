"""Create: accept a job from a Celery client that does not import this package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..config.queues import Queue
from ..errors import InvalidRequestError, Problem
from ..jobs.build import build_job
from ..jobs.idempotency import build_idempotency_key
from ..providers.request import parse_request
from ..store.callers.terms import read_terms
from .context import Context


def create(ctx: Context, request: Mapping[str, Any], message_id: str) -> str:
    """Store the job and return its id; a message that is delivered twice creates one job.

    Raises InvalidRequestError, BudgetExceededError or ConfigError.
    """
    now = ctx.now()
    caller = str(request.get("submitted_by", "celery"))
    fields = {name: value for name, value in request.items() if name != "submitted_by"}
    parsed = parse_request(fields)
    if parsed.reuse is not None:
        words = "cannot be used in a message, which has no answer with the earlier job's id"
        raise InvalidRequestError([Problem("reuse", words)])
    terms = read_terms(ctx.store.redis, caller)
    job = build_job(ctx.settings, parsed, now, submitted_by=caller, webhook=terms.webhook)
    key = build_idempotency_key(f"message {message_id}", fields)
    ctx.budgets.check([job], [key], terms.budgets, now)
    (job_id,) = ctx.store.add([job], [key])
    ctx.dispatcher.dispatch(Queue.SUBMIT, [job_id], now)
    return job_id
