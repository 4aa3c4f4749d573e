"""What a refused submission means for its job, and for the next jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from redis.exceptions import RedisError

from ..config.logging import get_logger
from ..jobs.chain import parse_image
from ..jobs.fallback import can_fall_back, fall_back
from ..jobs.hand_over import find_way
from ..jobs.job import Job, JobError, Reason, State, add_seconds
from ..jobs.schedule import backoff
from ..providers import get as get_provider
from ..providers.wire import Accepted, Refused, RetryLater, SubmitOutcome, TryOtherVersion
from ..store.submit.pauses import TRIED_AGAIN, KnownPauses, PauseKind
from .apply_status import as_failed
from .context import Context

log = get_logger(__name__)

INPUT = "input"
"""The code of an outcome that came before the provider was asked: its input was not available."""

KEY_REFUSALS = {"auth": "refused with key", "credit": "no credit with key"}


def pause_refused(ctx: Context, job: Job, quota: str, outcome: SubmitOutcome) -> datetime | None:
    """Pause what refused a job, if it would refuse the next job as well.

    This comes before the outcome is recorded, so that the job does not leave for it again.
    Returns when one job tries again, if its provider has an outage.
    """
    now = ctx.now()
    try:
        match outcome:
            case RetryLater(code=code) | Refused(code=code) if code == INPUT:
                pass  # the next job has another input
            case RetryLater(rate_limited=True, retry_after_s=wait_s):
                wait_s = wait_s or ctx.settings.rate_limit_pause_s
                ctx.pauses.limit_rate(quota, job.account_key, wait_s, now)
            case Refused(reason="auth" | "credit" as reason, message=message):
                ctx.pauses.set_aside(job, quota, PauseKind(reason), message, now)
                log.error("account_key_set_aside", account_key=job.account_key, reason=reason)
            case Refused(reason="provider", message=message) | RetryLater(message=message):
                if failures := ctx.settings.breaker_failures:
                    return ctx.pauses.count_failure(job, message, failures, now)
    except RedisError as error:
        # The outcome must be recorded in any case; the next refusal pauses.
        log.warning("pause_not_recorded", error=type(error).__name__)
    return None


def end_pauses(ctx: Context, job: Job, known: KnownPauses, outcome: SubmitOutcome) -> None:
    """End the pauses that an outcome shows to be over."""
    match outcome:
        case Accepted():
            ctx.pauses.end(job, known, TRIED_AGAIN)
        case Refused(reason=reason, code=code) if reason != "provider" and code != INPUT:
            ctx.pauses.end(job, known, [PauseKind.OUTAGE])


def as_refused(
    ctx: Context,
    job: Job,
    outcome: TryOtherVersion | RetryLater | Refused,
    tries_again_at: datetime | None,
) -> Job:
    """Return the job after a refusal: queued again, or failed.

    `tries_again_at` is when the next job is sent to its provider and model during an outage.
    """
    gives_up_at = add_seconds(job.asked_at, ctx.settings.give_up_after_s)
    match outcome:
        case TryOtherVersion(api_version=api_version):
            return _as_requeued(ctx, job, 0, attempts=job.attempts - 1, api_version=api_version)
        case RetryLater(code=code) if ctx.now() >= gives_up_at and not can_fall_back(job):
            # Decided at a refusal, so that waiting for a limit, a budget or a person costs no job.
            error = JobError(
                reason=Reason.TIMED_OUT, code=code, message="refused for now all the time"
            )
            return as_failed(ctx, job, "refused", error)
        case RetryLater(rate_limited=True, retry_after_s=wait_s):
            pause_s = wait_s or ctx.settings.rate_limit_pause_s
            return _as_requeued(ctx, job, pause_s, attempts=job.attempts - 1)
        case RetryLater(code=code, message=message, retry_after_s=wait_s):
            error = JobError(reason=Reason.PROVIDER, code=code, message=message)
            if tries_again_at and can_fall_back(job):
                return fall_back(job, f"outage of {job.provider}", ctx.now())
            if tries_again_at:
                # Another job tries first, in case that it is this one which the provider cannot do.
                pause_s = (tries_again_at - ctx.now()).total_seconds() + 1
                return _as_requeued(ctx, job, pause_s, attempts=job.attempts - 1, error=error)
            return _as_requeued(ctx, job, wait_s or backoff(job.attempts), error=error)
        case Refused(reason="auth" | "credit" as reason, code=code, message=message):
            # Nothing is wrong with the job: another key takes it, or this one once it is in order.
            error = JobError(reason=Reason(reason), code=code, message=message)
            cause = f"{KEY_REFUSALS[reason]} {job.account_key}"
            return _as_requeued(ctx, job, 0, cause, attempts=job.attempts - 1, error=error)
        case Refused(reason="provider") if can_fall_back(job):
            return fall_back(job, f"{job.provider} failed", ctx.now())
        case Refused(reason=reason, code=code, message=message):
            error = JobError(reason=Reason(reason), code=code, message=message)
            return as_failed(ctx, job, "refused", error)


def can_hand_over(ctx: Context, job: Job) -> bool:
    """Whether the provider was sent URLs of images that we have, and can be handed those once."""
    names_images = any(map(parse_image, job.image_urls))
    provider = get_provider(job.provider, job.params)
    return names_images and not job.hands_over and bool(find_way(ctx.settings, provider))


def as_handing_over(ctx: Context, job: Job, refused: Refused) -> Job:
    """Return the job queued again, so that the provider is handed what it could not fetch."""
    error = JobError(reason=Reason.BAD_INPUT, code=refused.code, message=refused.message)
    fields = {"attempts": job.attempts - 1, "hands_over": True, "error": error}
    return _as_requeued(ctx, job, 0, "input not fetched", **fields)


def _as_requeued(
    ctx: Context, job: Job, pause_s: float, cause: str = "refused for now", **fields: Any
) -> Job:
    now = ctx.now()
    return job.transition_to(State.QUEUED, cause, now, add_seconds(now, pause_s), **fields)


def describe(outcome: SubmitOutcome) -> dict[str, str]:
    """Return what a log line says about an outcome."""
    details = {name: getattr(outcome, name, "") for name in ("task_id", "code")}
    return {"outcome": type(outcome).__name__} | {k: v for k, v in details.items() if v}
