"""Which key of its account a job is sent with, and asked about with from then on."""

from __future__ import annotations

from ..config.logging import get_logger
from ..jobs.job import Job
from ..providers import get as get_provider
from ..providers.account import Account
from .context import Context

log = get_logger(__name__)


def get_account(ctx: Context, job: Job) -> Account:
    """Return the account of a job with the key that took it, alone.

    If that key is not configured any more, another one is tried: no vendor says whether it sees the
    task. Raises ConfigError without a key.
    """
    provider = get_provider(job.provider, job.params)
    account = ctx.settings.account(provider.account)
    key = account.find_key(job.account_key)
    if key is None:
        (key, *_) = ctx.settings.usable_keys(provider)
        if job.account_key:
            log.warning("account_key_missing", account_key=job.account_key, used=key.name)
    return account.with_key(key)
