"""The Prometheus metrics of budgets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily as Gauge

from ...store.money.budgets import BudgetUse


def budget_families(uses: Iterable[BudgetUse]) -> Iterator[Metric]:
    """Yield what is used of each budget; one for all jobs has an empty `caller`."""
    labels = ["budget", "caller"]
    ratio = Gauge(
        "imagequeue_budget_spent_ratio",
        "Part of a budget that is spent in its present UTC day or month; 1 for all of it.",
        labels=labels,
    )
    exhausted = Gauge(
        "imagequeue_budget_exhausted",
        "1 if a job did not fit into a budget in its present UTC day or month.",
        labels=labels,
    )
    for use in uses:
        names = [str(use.budget), use.caller or ""]
        ratio.add_metric(names, use.spent / use.budget.amount)
        exhausted.add_metric(names, use.is_exhausted)
    yield from (ratio, exhausted)
