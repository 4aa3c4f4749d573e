"""Submit: record the intent to pay, send the paid request once, and read what the answer says."""

from __future__ import annotations

import random
import time
from functools import partial

from redis.exceptions import RedisError

from ..config.logging import get_logger
from ..config.queues import Queue
from ..errors import InvalidRequestError, InvalidTransitionError, NotDurableError
from ..jobs.job import Job, JobError, Reason, State, add_seconds
from ..jobs.schedule import backoff, countdowns_for
from ..jobs.tokens import build_callback_url
from ..providers import get as get_provider
from ..providers.wire import (
    Accepted,
    OutcomeUnknown,
    Refused,
    RetryLater,
    SubmitOutcome,
    TryOtherVersion,
)
from ..store.wakeups import MAX_CLOCK_SKEW_S
from .context import Context
from .http.client import NoResponseError, NotSentError
from .provider_api import send
from .settle import failed, start_download

log = get_logger(__name__)

# Between a submission's deadline and the end of its lease: time to write down the answer.
ANSWER_MARGIN_S = 5.0
# An answer that may have been paid for is held this long while Redis is away.
ANSWER_KEPT_S = 300.0
ANSWER_RETRY_S = 0.5


def submit(ctx: Context, job_id: str) -> float | None:
    """Send a queued job to its provider, or end the wait for a submission whose worker died.

    Returns the seconds after which it should be tried again, where the provider asked for a pause.
    """
    job = ctx.load(job_id)
    if job.state is State.SUBMITTING:
        ctx.transition(job, partial(_abandoned, ctx))
        return None
    account = ctx.settings.account_with_key(get_provider(job.provider).account).name
    if pause_s := ctx.pauses.remaining_s(account, Queue.SUBMIT):
        return _with_jitter(pause_s)
    # Counted from before the move: a worker frozen here finds its deadline gone, and sends nothing.
    deadline = time.monotonic() + ctx.settings.submit_timeout_s
    try:
        job = ctx.transition(job, partial(_start_submitting, ctx), durable=True)
    except NotDurableError as error:
        # An intent that a power cut may take back is no licence to pay.
        job = ctx.load(job_id)
        submission: SubmitOutcome = RetryLater(code="not durable", message=str(error))
    else:
        if job.state is not State.SUBMITTING:
            return None
        submission = _call_provider(ctx, job, deadline)
    task_id = getattr(submission, "task_id", None)
    log.info("submitted", answer=type(submission).__name__, attempt=job.attempts, task_id=task_id)
    _write_down(ctx, job, submission)
    if isinstance(submission, RetryLater) and submission.rate_limited:
        wait_s = submission.retry_after_s or ctx.settings.rate_limit_pause_s
        ctx.pauses.begin(account, Queue.SUBMIT, wait_s)
    return None


def _write_down(ctx: Context, job: Job, submission: SubmitOutcome) -> None:
    """Record an answer that may have been paid for, however long Redis is away meanwhile."""
    deadline = time.monotonic() + ANSWER_KEPT_S
    while True:
        try:
            ctx.transition(job, partial(_answered, ctx, job.submissions, submission))
        except RedisError as error:
            if time.monotonic() > deadline:
                raise
            log.warning("answer not recorded yet", error=type(error).__name__)
            time.sleep(ANSWER_RETRY_S)
        else:
            # What worked is tried first from now on, except where a setting says what to try.
            if isinstance(submission, Accepted) and job.provider not in ctx.settings.api_versions:
                ctx.api_versions[job.provider] = job.api_version
            return


def _with_jitter(pause_s: float) -> float:
    """Up to twice as long: all that were refused together would be refused together again."""
    return pause_s * random.uniform(1, 2)  # noqa: S311


def _start_submitting(ctx: Context, job: Job) -> Job:
    """The job with the intent to pay on record; nothing is sent before this is stored."""
    now, settings = ctx.now(), ctx.settings
    if job.state is not State.QUEUED:
        raise InvalidTransitionError(f"{job.id} is {job.state}: somebody else submits it")
    # A hint that comes before its time is refused, but for what two machines' clocks may differ by.
    if job.wake_at > add_seconds(now, MAX_CLOCK_SKEW_S):
        raise InvalidTransitionError(f"{job.id} is not due before {job.wake_at:%H:%M:%S}")
    if job.attempts >= settings.submit_attempts:
        return failed(ctx, job, "submit", job.error or JobError(reason=Reason.PROVIDER))
    # One that was never sent waits its turn, however long the queue before it is.
    if job.submissions and now >= add_seconds(job.asked_at, settings.give_up_after_s):
        error = JobError(reason=Reason.TIMED_OUT, message="refused for now all the time")
        return failed(ctx, job, "gave up", error)
    lease_s = max(settings.lease_s, settings.submit_timeout_s + ANSWER_MARGIN_S)
    return job.transition_to(
        State.SUBMITTING,
        "submit",
        now,
        wake_at=add_seconds(now, lease_s),
        attempts=job.attempts + 1,
        submissions=job.submissions + 1,
        api_version=job.api_version or ctx.api_versions.get(job.provider, ""),
    )


def _abandoned(ctx: Context, job: Job) -> Job:
    """A submission past its lease may have been paid: it waits for its own callback."""
    if job.state is not State.SUBMITTING or ctx.now() < job.wake_at:
        raise InvalidTransitionError(f"{job.id} is {job.state}, and not left alone")
    return _unconfirmed(ctx, job, "the worker died while the request was out")


def _call_provider(ctx: Context, job: Job, deadline: float) -> SubmitOutcome:
    """Send the request, and turn whatever comes back into one of the kinds of answer."""
    provider = get_provider(job.provider)
    api_version = job.api_version or provider.api_versions[0]
    try:
        request = provider.validate_request(job.action, job.prompt, job.image_urls, job.params)
        call = provider.build_submit_request(request, _callback_url(ctx, job), api_version)
        submission = provider.parse_submit_response(
            send(ctx, provider, call, deadline, reuse_connection=False), api_version
        )
        if isinstance(submission, TryOtherVersion):
            other = provider.build_submit_request(
                request, _callback_url(ctx, job), submission.api_version
            )
            if other == call:
                # The wording was not at fault: the other api_version says the same.
                code, message = submission.code, submission.message
                return Refused(reason="bad_input", code=code, message=message)
    except InvalidRequestError as error:
        return Refused(reason="bad_input", code="", message=str(error))
    except NotSentError as error:
        return RetryLater(code="not sent", message=str(error))
    except NoResponseError as error:
        return OutcomeUnknown(code="no answer", message=str(error))
    return submission


def _callback_url(ctx: Context, job: Job) -> str | None:
    if job.delivery == "poll" or not ctx.settings.public_url:
        return None
    secrets = ctx.settings.signing_secrets
    return build_callback_url(ctx.settings.public_url, secrets, job.provider, job.id)


def _answered(ctx: Context, nth: int, submission: SubmitOutcome, job: Job) -> Job:
    """The job after the answer to its `nth` submission."""
    now = ctx.now()
    if job.submissions != nth:
        raise InvalidTransitionError(f"{job.id} was submitted again since")
    match submission:
        case Accepted(task_id=task_id, images=()):
            first_poll = add_seconds(
                now, countdowns_for(job.delivery, ctx.settings.poll_countdowns)[0]
            )
            return job.transition_to(
                State.WAITING, "accepted", now, first_poll, task_id=task_id, error=None
            )
        case Accepted(task_id=task_id, images=images):
            return start_download(ctx, job, "answer", images, task_id)
        case TryOtherVersion(api_version=api_version, code=code):
            log.info("refused for its wording", code=code, next=api_version)
            return _requeue(ctx, job, 0, attempts=job.attempts - 1, api_version=api_version)
        case RetryLater(rate_limited=True, retry_after_s=wait_s):
            pause_s = _with_jitter(wait_s or ctx.settings.rate_limit_pause_s)
            return _requeue(ctx, job, pause_s, attempts=job.attempts - 1)
        case RetryLater(code=code, message=message, retry_after_s=wait_s):
            error = JobError(reason=Reason.PROVIDER, code=code, message=message)
            return _requeue(ctx, job, wait_s or backoff(job.attempts), error=error)
        case Refused(reason=reason, code=code, message=message):
            error = JobError(reason=Reason(reason), code=code, message=message)
            return failed(ctx, job, "refused", error)
        case OutcomeUnknown(code=code, message=message):
            return _unconfirmed(ctx, job, message, code)


def _requeue(ctx: Context, job: Job, pause_s: float, **fields: object) -> Job:
    now = ctx.now()
    return job.transition_to(
        State.QUEUED, "refused for now", now, add_seconds(now, pause_s), **fields
    )


def _unconfirmed(ctx: Context, job: Job, message: str, code: str = "") -> Job:
    now = ctx.now()
    error = JobError(reason=Reason.UNCONFIRMED, code=code, message=message)
    deadline = add_seconds(now, ctx.settings.unconfirmed_after_s)
    return job.transition_to(State.UNCONFIRMED, "no answer", now, deadline, error=error)
