"""What a queued job gets from the jobs that it needs; it is cancelled if one has not succeeded."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from ...errors import UnknownJobError
from ...jobs.chain import Inputs, Known, NeededJobError, find_task_source, list_uploads, resolve
from ...jobs.hand_over import Way, find_obstacles, find_way
from ...jobs.job import Job, JobError, Reason, State, add_seconds
from ...providers import get as get_provider
from ...providers.account_keys import MAIN
from ..apply_status import require_queued
from ..context import Context


def find_inputs(ctx: Context, job: Job, key: str, usable_keys: Sequence[str]) -> Inputs | None:
    """Return what the provider gets; None if the job was cancelled, or waits for another key.

    Raises UnreadableJobError if the record of a needed job cannot be read.
    """
    known = _read_needed(ctx, job)
    named = ctx.uploads.get_many(list_uploads(job.image_urls, job.params))
    uploads = {each.id: each for each in named}
    provider = get_provider(job.provider, job.params)
    way = find_way(ctx.settings, provider)
    try:
        inputs = resolve(
            job.image_urls,
            job.params,
            job.after,
            Known(known, uploads, ctx.now()),
            prefer_stored=way is Way.FORM or (job.hands_over and way is not None),
        )
        if obstacles := [*find_obstacles(ctx.settings, job.provider, job.params, inputs.stored)]:
            raise NeededJobError("; ".join(map(str, obstacles)))
    except NeededJobError as error:
        ctx.transition(job, partial(_as_cancelled, ctx, str(error)))
        return None
    if task_of := known.get(find_task_source(job.params) or ""):
        # Only the account that has the task can go on with it. Early records do not name its key.
        owner = task_of.account_key or MAIN
        if owner != key and owner in usable_keys:
            ctx.transition(job, partial(_as_bound, ctx, owner))
            return None
    return inputs


def _read_needed(ctx: Context, job: Job) -> dict[str, Job]:
    """Return the needed jobs that exist, by their ids; raises UnreadableJobError."""
    known = {each.id: each for each in ctx.store.get_many(job.after)}
    for job_id in job.after:
        if job_id not in known:
            # It may be unreadable, perhaps for this version only: that is no reason to cancel.
            with suppress(UnknownJobError):
                known[job_id] = ctx.store.get(job_id)
    return known


def _as_cancelled(ctx: Context, why: str, job: Job) -> Job:
    require_queued(job)
    now = ctx.now()
    error = JobError(reason=Reason.CANCELLED, message=f"{why}; nothing was sent")
    expires_at = add_seconds(now, ctx.settings.finished_s)
    return job.transition_to(State.CANCELLED, "needed job", now, expires_at, error=error)


def _as_bound(ctx: Context, key: str, job: Job) -> Job:
    require_queued(job)
    return job.evolve(ctx.now(), account_key=key)
