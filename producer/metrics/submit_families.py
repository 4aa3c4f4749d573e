"""The Prometheus metrics of limits, order and costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily as Gauge

from ...jobs.cost import MICRO, to_usd
from ...providers import PROVIDERS, accounts
from ...store.money.ledger_entries import Amounts
from ...store.submit.queue import Quota
from .snapshot import Snapshot


def submit_families(seen: Snapshot, quotas: Mapping[str, Quota]) -> Iterator[Metric]:
    """Yield the metrics of the jobs that wait for a permit, of the limits, and of costs."""
    yield from _ready(seen)
    yield from _limits(seen, quotas)
    yield from _costs(seen)


def _ready(seen: Snapshot) -> Iterator[Metric]:
    labels = ["quota", "priority"]
    jobs = Gauge("imagequeue_ready_jobs", "Queued jobs that wait for a permit.", labels=labels)
    oldest = Gauge(
        "imagequeue_ready_oldest_seconds",
        "How long ago the oldest of them was submitted, or retried; 0 without any.",
        labels=labels,
    )
    for (quota, priority), ready in seen.usage.ready.items():
        jobs.add_metric([quota, priority], ready.jobs)
        oldest.add_metric([quota, priority], ready.oldest_s)
    yield from (jobs, oldest)


def _limits(seen: Snapshot, quotas: Mapping[str, Quota]) -> Iterator[Metric]:
    labels = ["quota", "key"]
    in_flight = Gauge("imagequeue_in_flight", "Jobs that have a permit of a key.", labels=labels)
    max_in_flight = Gauge(
        "imagequeue_max_in_flight", "Maximum of those jobs; omitted without one.", labels=labels
    )
    used = Gauge(
        "imagequeue_rate_limit_used_ratio",
        "Part of a key's rate limit that is used now; omitted without a limit.",
        labels=labels,
    )
    for each in seen.usage.keys:
        quota, of = quotas[each.quota], [each.quota, each.key]
        in_flight.add_metric(of, each.in_flight)
        if quota.max_in_flight:
            max_in_flight.add_metric(of, quota.max_in_flight)
        if quota.tasks:
            used.add_metric(of, each.sent / quota.tasks)
    yield from (in_flight, max_in_flight, used)


def _costs(seen: Snapshot) -> Iterator[Metric]:
    usd = Gauge(
        "imagequeue_cost_usd",
        "Spent in the current UTC day and month, where the price of a credit is known; "
        "corrections may lower it.",
        labels=["account", "period"],
    )
    for period, spent in seen.spent.items():
        for account in accounts():
            micro_usd = to_usd(spent.get(account.name, 0), account.credit_usd)
            if micro_usd is not None:
                usd.add_metric([account.name, period], micro_usd / MICRO)
    of_provider = Gauge(
        "imagequeue_provider_cost_usd",
        "Spent in the current UTC day by provider, where the price of a credit is known.",
        labels=["provider"],
    )
    of_caller = Gauge(
        "imagequeue_caller_cost_usd",
        "Spent in the current UTC day and month by caller, where the price of a credit is known.",
        labels=["caller", "period"],
    )
    for period, by_caller in seen.spent_by_caller.items():
        for caller, micro_usd in by_caller.items():
            of_caller.add_metric([caller, period], micro_usd / MICRO)
    unpriced = Gauge(
        "imagequeue_unpriced_tasks",
        "Tasks of the current UTC day whose price is not known.",
        labels=["provider"],
    )
    for provider in PROVIDERS:
        costs = seen.costs.get(provider, Amounts())
        of_provider.add_metric([provider], costs.usd / MICRO)
        unpriced.add_metric([provider], costs.unpriced)
    yield from (usd, of_provider, of_caller, unpriced)
