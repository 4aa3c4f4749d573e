"""Where a queued job stands: in a line of its quota, by its priority."""

from __future__ import annotations

import json

from ...config.budgets import USD
from ...jobs.chain import find_task_source
from ...jobs.cost import to_usd
from ...jobs.fallback import can_fall_back
from ...jobs.ids import quote_name
from ...jobs.job import Job
from ...providers import PROVIDERS
from ...providers import find as find_provider
from ...providers.account_keys import MAIN
from ..money.ledger_entries import get_account


def get_quota(job: Job) -> str:
    """Return the name of the limits that a job shares with others."""
    known = find_provider(job.provider, job.params)
    return known.quota if known else job.provider


def get_upstream(job: Job) -> str:
    """Return what an outage concerns: the job's provider, and its model if the job names one."""
    model = job.params.get("model")
    return f"{job.provider}/{model[:100]}" if model and isinstance(model, str) else job.provider


def get_line(job: Job) -> str:
    """Return the line of a job: jobs of one caller for one provider, which leave in order.

    Those with a fallback have their own, as they need not wait for what others wait for.
    """
    line = f"{job.provider}|{quote_name(job.submitted_by)}"
    return f"{line}|fallback" if can_fall_back(job) else line


def dump_place(job: Job) -> str:
    """Return the place of a queued job, as `lease_submits` reads it."""
    place: dict[str, object] = {
        "quota": get_quota(job),
        "priority": job.priority,
        "line": get_line(job),
        "provider": job.provider,
        "upstream": get_upstream(job),
        "caller": quote_name(job.submitted_by),
        "since": round(job.asked_at.timestamp() * 1000),
    }
    if can_fall_back(job):
        place["fallback"] = True
    if job.after:
        place["after"] = job.after
    if job.former_tasks or job.has_lost_task or (find_task_source(job.params) and job.account_key):
        # Only the key that an earlier task was sent with is sure to see it.
        place["key"] = job.account_key or MAIN
    if cost := estimate_cost(job):
        # As text: Lua's numbers would round large ones.
        place["cost"] = {unit: str(amount) for unit, amount in cost.items()}
    return json.dumps(place, separators=(",", ":"))


def estimate_usd(job: Job) -> int | None:
    """Return the expected price of a submission in millionths of a dollar; None if unknown."""
    provider = PROVIDERS.get(job.provider)
    credit_usd = provider.account.credit_usd if provider else None
    return None if job.estimate is None else to_usd(job.estimate, credit_usd)


def estimate_cost(job: Job) -> dict[str, int]:
    """Return the expected price of a submission in millionths of each unit that is known."""
    if not job.estimate:
        return {}
    usd = estimate_usd(job)
    return {get_account(job): job.estimate} | ({USD: usd} if usd else {})
