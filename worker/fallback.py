"""Send a queued job to its fallback if its provider certainly does not take it now."""

from __future__ import annotations

from functools import partial

from ..errors import InvalidTransitionError
from ..jobs.fallback import can_fall_back, fall_back
from ..jobs.job import Job, State
from ..providers import get as get_provider
from ..store.submit.pauses import PauseKind
from .context import Context

REASONS = {
    PauseKind.AUTH: "every key is refused at",
    PauseKind.CREDIT: "no credit at",
    PauseKind.OUTAGE: "outage of",
}


def divert(ctx: Context, job: Job) -> bool:
    """Let a queued job without a permit fall back; return whether it does."""
    if job.state is not State.QUEUED or not can_fall_back(job):
        return False
    provider = get_provider(job.provider, job.params)
    names = [key.name for key in ctx.settings.usable_keys(provider)]
    kind = ctx.pauses.find_obstacle(job, provider.quota, names, ctx.now())
    if kind is None:
        return False
    where = job.provider if kind is PauseKind.OUTAGE else provider.account.name
    ctx.transition(job, partial(_as_diverted, ctx, job.provider, f"{REASONS[kind]} {where}"))
    return True


def _as_diverted(ctx: Context, provider: str, why: str, job: Job) -> Job:
    if job.state is not State.QUEUED or job.provider != provider or not can_fall_back(job):
        raise InvalidTransitionError(f"{job.id} is {job.state} at {job.provider} by now")
    return fall_back(job, why, ctx.now())
