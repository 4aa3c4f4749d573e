"""What a refused submission means for the jobs after it: they would be refused as well."""

from __future__ import annotations

from redis.exceptions import RedisError

from ..config.logging import get_logger
from ..jobs.job import Job
from ..providers.wire import Refused, RetryLater, SubmitOutcome
from ..store.pauses import PauseKind
from .context import Context

log = get_logger(__name__)


def pause_refused(ctx: Context, job: Job, quota: str, outcome: SubmitOutcome) -> None:
    """Pause the key that a job was refused with, if the next job would be refused as well.

    This comes before the outcome is recorded, so that the job does not leave with that key again.
    """
    try:
        match outcome:
            case RetryLater(rate_limited=True, retry_after_s=wait_s):
                wait_s = wait_s or ctx.settings.rate_limit_pause_s
                ctx.pauses.limit_rate(quota, job.account_key, wait_s, ctx.now())
            case Refused(reason="auth" | "credit" as reason, message=message):
                ctx.pauses.set_aside(job, quota, PauseKind(reason), message, ctx.now())
                log.error("account_key_set_aside", account_key=job.account_key, reason=reason)
    except RedisError as error:
        # The outcome must be recorded in any case; the next refusal pauses the key.
        log.warning("pause_not_recorded", error=type(error).__name__)
