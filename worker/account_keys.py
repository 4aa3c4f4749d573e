"""Which key of its account a job is sent with, and asked about with from then on."""

from __future__ import annotations

from ..config.logging import get_logger
from ..config.queues import Queue
from ..jobs.job import Job
from ..providers import get as get_provider
from ..providers.account import Account
from ..providers.account_keys import MAIN
from .context import Context

log = get_logger(__name__)


def choose_key(ctx: Context, job: Job) -> tuple[str, float]:
    """Return the name of the key to submit a job with, and the seconds until it may be used.

    That is the first key without a pause, or the one whose pause ends first. Raises ConfigError
    without a key that can pay.
    """
    provider = get_provider(job.provider)
    names = [key.name for key in ctx.settings.usable_keys(provider)]
    if job.former_tasks or job.has_lost_task:
        # Only the key that an earlier task was sent with is sure to see it.
        names = [name for name in names if name == (job.account_key or MAIN)] or names
    pauses = {name: ctx.pauses.remaining_s(provider.quota, name, Queue.SUBMIT) for name in names}
    name = min(pauses, key=pauses.__getitem__)
    return name, pauses[name]


def pause_key(ctx: Context, job: Job, seconds: float) -> None:
    """Stop submissions with the key of a job, as the provider asked for."""
    quota = get_provider(job.provider).quota
    ctx.pauses.begin(quota, job.account_key, Queue.SUBMIT, seconds)


def get_account(ctx: Context, job: Job) -> Account:
    """Return the account of a job with the key that took it, alone.

    If that key is not configured any more, another one is tried: no vendor says whether it sees the
    task. Raises ConfigError without a key.
    """
    provider = get_provider(job.provider)
    account = ctx.settings.account(provider.account)
    key = account.find_key(job.account_key)
    if key is None:
        (key, *_) = ctx.settings.usable_keys(provider)
        if job.account_key:
            log.warning("account_key_missing", account_key=job.account_key, used=key.name)
    return account.with_key(key)
