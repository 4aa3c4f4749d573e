"""Submit: send a queued job's paid request to its provider, at most once.

The intent to pay is recorded before the request is sent, and the outcome before anything else is
done. An accepted job waits for its poll or callback, a refused one fails, and one refused only for
now is queued again. If the outcome is unknown, the job may have been paid: it becomes unconfirmed
and is never sent again by itself. A job without a permit takes its fallback, or waits for its turn.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial

from ..config.logging import get_logger
from ..errors import InvalidRequestError, InvalidTransitionError, NotDurableError
from ..jobs.chain import Inputs
from ..jobs.fallback import can_fall_back, fall_back
from ..jobs.job import Job, JobError, Reason, State, add_seconds
from ..jobs.tokens import build_callback_url
from ..providers import get as get_provider
from ..providers.base import Provider
from ..providers.wire import (
    OutcomeUnknown,
    ProviderResponse,
    Refused,
    RetryLater,
    SubmitOutcome,
    TryOtherVersion,
)
from ..store.clock import MAX_CLOCK_SKEW_S
from .apply_status import as_failed
from .context import Context
from .fallback import divert
from .http.errors import NoResponseError, NotSentError
from .needed_jobs import find_inputs
from .outcome import as_unconfirmed, record_outcome
from .provider_api import call_provider
from .refusals import describe, end_pauses, pause_refused
from .unreadable import store_submit_body

log = get_logger(__name__)

# Between the deadline of the request and the end of the lease: time to record the outcome.
RECORD_MARGIN_S = 5.0


def submit(ctx: Context, job_id: str) -> None:
    """Send a queued job to its provider, or give up on a submission whose worker died."""
    job = ctx.load(job_id)
    if job.state is State.SUBMITTING:
        ctx.transition(job, partial(_as_abandoned, ctx))
        return
    if job.state is not State.QUEUED:
        raise InvalidTransitionError(f"{job_id} is {job.state}: another worker has submitted it")
    permit = ctx.submits.get_permit(job_id, ctx.now())
    if permit is None:
        _leave_without_permit(ctx, job)
        return
    key = permit.account_key
    known = ctx.pauses.find(job, permit.quota, key)
    names = [key.name for key in ctx.settings.usable_keys(get_provider(job.provider, job.params))]
    if key not in names or known.forbid(job, ctx.now()):
        ctx.transition(job, partial(_requeue_now, ctx))
        return
    inputs = find_inputs(ctx, job, key, names)
    if inputs is None:
        return
    # Counted from before the transition: a worker that freezes here will find its deadline past.
    deadline = time.monotonic() + ctx.settings.submit_timeout_s
    tries_again_at = None
    try:
        job = ctx.transition(job, partial(_as_submitting, ctx, key), durable=True)
    except NotDurableError as error:
        # A power cut could undo the recorded intent, so nothing may be paid.
        job = ctx.load(job_id)
        outcome: SubmitOutcome = RetryLater(code="not durable", message=str(error))
    else:
        if job.state is not State.SUBMITTING:
            return
        outcome = _send_paid_request(ctx, job, inputs, deadline)
        tries_again_at = pause_refused(ctx, job, permit.quota, outcome)
    try:
        record_outcome(ctx, job, outcome, tries_again_at)
    finally:
        log.info("job_submitted", attempt=job.attempts, account_key=key, **describe(outcome))
    if isinstance(outcome, OutcomeUnknown):
        store_submit_body(ctx, job, outcome)
    end_pauses(ctx, job, known, outcome)


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
    if job.state is not State.QUEUED:
        raise InvalidTransitionError(f"{job.id} is {job.state}: another worker has submitted it")
    return job.evolve(ctx.now())


def _as_abandoned(ctx: Context, job: Job) -> Job:
    """Return the job unconfirmed: its worker died after the intent was recorded."""
    if job.state is not State.SUBMITTING or ctx.now() < job.wake_at:
        raise InvalidTransitionError(f"{job.id} is {job.state}, and its worker may be alive")
    return as_unconfirmed(ctx, job, "the worker died while the request was out")


def _as_submitting(ctx: Context, key: str, job: Job) -> Job:
    """Return the job with the intent to pay by a key; the request is sent once this is stored."""
    now, settings = ctx.now(), ctx.settings
    if job.state is not State.QUEUED:
        raise InvalidTransitionError(f"{job.id} is {job.state}: another worker submits it")
    # An early message is refused, except for what the clocks of two machines may differ by.
    if job.wake_at > add_seconds(now, MAX_CLOCK_SKEW_S):
        raise InvalidTransitionError(f"{job.id} is not due before {job.wake_at:%H:%M:%S}")
    if job.attempts >= settings.submit_attempts and can_fall_back(job):
        return fall_back(job, f"{job.provider} failed", now)
    if job.attempts >= settings.submit_attempts:
        return as_failed(ctx, job, "submit", job.error or JobError(reason=Reason.PROVIDER))
    lease_s = max(settings.lease_s, settings.submit_timeout_s + RECORD_MARGIN_S)
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


def _send_paid_request(ctx: Context, job: Job, inputs: Inputs, deadline: float) -> SubmitOutcome:
    """Send the paid request, and turn any response or failure into an outcome."""
    provider = get_provider(job.provider, job.params)
    api_version = job.api_version or provider.api_versions[0]
    try:
        checked = provider.validate_request(job.action, job.prompt, *inputs)
        build = partial(provider.build_submit_request, checked, _callback_url(ctx, job))
        request = build(api_version)
        response = call_provider(ctx, job, request, deadline, reuse_connection=False)
        outcome = _parse_response(provider, response, api_version)
        if isinstance(outcome, TryOtherVersion) and build(outcome.api_version) == request:
            # Both versions send the same request, so the version was not the reason.
            return Refused(reason="bad_input", code=outcome.code, message=outcome.message)
    except InvalidRequestError as error:
        return Refused(reason="bad_input", code="", message=str(error))
    except NotSentError as error:
        return RetryLater(code="not sent", message=str(error))
    except NoResponseError as error:
        return OutcomeUnknown(code="no answer", message=str(error))
    return outcome


def _parse_response(
    provider: Provider, response: ProviderResponse, api_version: str
) -> SubmitOutcome:
    """Return the outcome in a response, which may have been paid for: this never raises."""
    try:
        outcome = provider.parse_submit_response(response, api_version)
    except Exception as error:
        log.exception("response_not_parsed")
        message = f"the response could not be parsed: {type(error).__name__}"
        outcome = OutcomeUnknown(code=str(response.status), message=message)
    if isinstance(outcome, OutcomeUnknown) and 200 <= response.status < 300:
        return replace(outcome, body=response.body.decode(errors="surrogateescape"))
    return outcome


def _callback_url(ctx: Context, job: Job) -> str | None:
    if job.delivery == "poll" or not ctx.settings.public_url:
        return None
    secrets = ctx.settings.signing_secrets
    return build_callback_url(ctx.settings.public_url, secrets, job.provider, job.id)
