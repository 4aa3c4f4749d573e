"""Retry a job for a caller: a paid retry counts against the caller's limits."""

from __future__ import annotations

from ...jobs.job import Job
from ..client import LocalClient
from ..commands import is_paid_retry, needs_pay_again
from .access import Access, Caller


def retry(client: LocalClient, access: Access, caller: Caller, job_id: str, pay_again: bool) -> Job:
    """Retry a job that the caller has access to; raises LimitError before anything is paid."""
    # If the job fails only after this, the retry is refused: what was not counted is never paid.
    job = client.get(job_id, submitted_by=caller.sees)
    pay_again = pay_again and is_paid_retry(job)
    if pay_again or (is_paid_retry(job) and not needs_pay_again(job)):
        access.acquire(caller, 1)
    return client.retry(job_id, pay_again=pay_again, submitted_by=caller.sees)
