"""Compares the costs of jobs, and their entries in the ledger, with what the sandbox charged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from imagequeue.config.redis import open_client
from imagequeue.jobs.charge import Charged
from imagequeue.jobs.cost import MICRO
from imagequeue.jobs.job import Job
from imagequeue.store.money.ledger import Ledger


def count_miscounted(url: str, jobs: Sequence[Job], sold: Iterable[Mapping[str, Any]]) -> int:
    """Return how many jobs have other costs than the sandbox, or than the ledger, says."""
    entries: Counter[str] = Counter()
    with open_client(url) as client:
        for job_id, entry in Ledger(client).iter_entries():
            entries[job_id] += entry.get("credits", 0)
    charged: Counter[str] = Counter()
    for each in sold:
        charged[each["prompt"]] += round(each["charged"] * MICRO)
    return sum(
        entries[job.id] != _sum(job) or not _is_right(job, charged[job.prompt]) for job in jobs
    )


def _sum(job: Job) -> int:
    return sum(cost.credits or 0 for cost in job.costs if cost.charged is not Charged.NO)


def _is_right(job: Job, charged: int) -> bool:
    if any(cost.credits is None for cost in job.costs):
        return True  # its price is not known
    is_unknown = any(cost.charged is Charged.UNKNOWN for cost in job.costs)
    return charged in ((0, _sum(job)) if is_unknown else (_sum(job),))
