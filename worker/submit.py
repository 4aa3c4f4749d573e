"""Submit: send a queued job's paid request to its provider, at most once.

The intent to pay is recorded before the request is sent, and the outcome before anything else is
done. An accepted job waits for its poll or callback, a refused one fails, and one refused only for
now is queued again. If the outcome is unknown, the job may have been paid: it becomes unconfirmed
and is never sent again by itself. A job without a permit takes its fallback, or waits for its turn.
"""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial

from ..config.logging import get_logger
from ..errors import InvalidTransitionError, NotDurableError
from ..jobs.fallback import can_fall_back, fall_back
from ..jobs.job import Job, JobError, Reason, State, add_seconds
from ..providers import get as get_provider
from ..providers.wire import (
    OutcomeUnknown,
    Refused,
    RetryLater,
    SubmitOutcome,
)
from ..store.clock import MAX_CLOCK_SKEW_S
from ..store.submit.pauses import KnownPauses
from ..store.submit.queue import Permit
from .apply_status import as_failed, require_queued
from .context import Context
from .fallback import divert
from .inputs.hand_over import HAND_OVER_S, HandedOver, hand_over
from .inputs.needed_jobs import find_inputs
from .inputs.urls import check_input_urls
from .outcome import as_unconfirmed, record_outcome
from .paid_request import get_timeout_s, send_paid_request
from .refusals import describe, end_pauses, pause_refused
from .saving.unreadable import store_submit_body

log = get_logger(__name__)

# Between the deadline of the request and the end of the lease: time to record the outcome.
RECORD_MARGIN_S = 5.0


def submit(ctx: Context, job_id: str) -> None:
    """Send a queued job to its provider, or give up on a submission whose worker died."""
    job = ctx.load(job_id)
    if job.state is State.SUBMITTING:
        ctx.transition(job, partial(_as_abandoned, ctx))
        return
    require_queued(job)
    permit = ctx.submits.get_permit(job_id, ctx.now())
    if permit is None:
        _leave_without_permit(ctx, job)
        return
    key = permit.account_key
    prepared = _prepare(ctx, job, permit)
    if prepared is None:
        return
    inputs, known, note = prepared
    # Counted from before the transition: a worker that freezes here will find its deadline past.
    deadline = time.monotonic() + get_timeout_s(ctx, job)
    tries_again_at = None
    try:
        job = ctx.transition(job, partial(_as_submitting, ctx, key, note), durable=True)
    except NotDurableError as error:
        # A power cut could undo the recorded intent, so nothing may be paid.
        job = ctx.load(job_id)
        outcome: SubmitOutcome = RetryLater(code="not durable", message=str(error))
    else:
        if job.state is not State.SUBMITTING:
            return
        outcome = send_paid_request(ctx, job, inputs, deadline)
        tries_again_at = pause_refused(ctx, job, permit.quota, outcome)
    try:
        record_outcome(ctx, job, outcome, tries_again_at)
    finally:
        log.info("job_submitted", attempt=job.attempts, account_key=key, **describe(outcome))
    if isinstance(outcome, OutcomeUnknown):
        store_submit_body(ctx, job, outcome)
    end_pauses(ctx, job, known, outcome)


def _prepare(
    ctx: Context, job: Job, permit: Permit
) -> tuple[HandedOver | Refused | RetryLater, KnownPauses, str] | None:
    """Return what the provider gets, the pauses, and a note; None if the job is not sent now."""
    key = permit.account_key
    names = [key.name for key in ctx.settings.usable_keys(get_provider(job.provider, job.params))]
    if key not in names:
        ctx.transition(job, partial(_requeue_now, ctx))
        return None
    inputs = find_inputs(ctx, job, key, names)
    if inputs is None:
        return None
    deadline = time.monotonic() + HAND_OVER_S
    note = check_input_urls(ctx, job, permit, inputs)
    if note is None:
        return None
    handed = hand_over(ctx, job, permit, inputs, deadline)
    # Read last, because a hand-over may take a minute.
    known = ctx.pauses.find(job, permit.quota, key)
    if known.forbid(job, ctx.now()):
        ctx.transition(job, partial(_requeue_now, ctx))
        return None
    return handed, known, note


def _leave_without_permit(ctx: Context, job: Job) -> None:
    """Divert a job to its fallback, or store its place again; raises if it waits for its turn."""
    if divert(ctx, job):
        return
    if ctx.submits.has_place(job):
        ctx.settings.usable_keys(get_provider(job.provider, job.params))  # raises if there is none
        raise InvalidTransitionError(f"{job.id} waits for its turn")
    ctx.transition(job, partial(_requeue_now, ctx))


def _requeue_now(ctx: Context, job: Job) -> Job:
    """Return the job due now: the transition stores its place, and returns its permit."""
    require_queued(job)
    return job.evolve(ctx.now())


def _as_abandoned(ctx: Context, job: Job) -> Job:
    """Return the job unconfirmed: its worker died after the intent was recorded."""
    if job.state is not State.SUBMITTING or ctx.now() < job.wake_at:
        raise InvalidTransitionError(f"{job.id} is {job.state}, and its worker may be alive")
    return as_unconfirmed(ctx, job, "the worker died while the request was out")


def _as_submitting(ctx: Context, key: str, note: str, job: Job) -> Job:
    """Return the job with the intent to pay by a key; the request is sent once this is stored."""
    now, settings = ctx.now(), ctx.settings
    require_queued(job)
    # An early message is refused, except for what the clocks of two machines may differ by.
    if job.wake_at > add_seconds(now, MAX_CLOCK_SKEW_S):
        raise InvalidTransitionError(f"{job.id} is not due before {job.wake_at:%H:%M:%S}")
    if job.attempts >= settings.submit_attempts and can_fall_back(job):
        return fall_back(job, f"{job.provider} failed", now)
    if job.attempts >= settings.submit_attempts:
        return as_failed(ctx, job, "submit", job.error or JobError(reason=Reason.PROVIDER))
    if note:
        with suppress(InvalidTransitionError):  # it is there already, or the history is full
            job = job.with_note(note, now, job.wake_at)
    lease_s = max(settings.lease_s, get_timeout_s(ctx, job) + RECORD_MARGIN_S)
    return job.transition_to(
        State.SUBMITTING,
        "submit",
        now,
        wake_at=add_seconds(now, lease_s),
        attempts=job.attempts + 1,
        submissions=job.submissions + 1,
        account_key=key,
        api_version=job.api_version or ctx.api_versions.get(job.provider, ""),
    )
