"""Whether each query of the dashboard has had an answer during a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from benchmarks.alerts.prometheus import Prometheus
from benchmarks.system import ROOT

DASHBOARD = ROOT / "deploy" / "grafana" / "imagequeue.json"
STEP_S = 5


def list_empty_panels(prometheus: Prometheus, start: float, end: float) -> list[str]:
    """Return the panels with a query that returns no series between two times, in Unix seconds."""
    return [
        f"{title}: {expression}"
        for title, expression in _iter_queries(json.loads(DASHBOARD.read_text()))
        if not _has_series(prometheus, expression, start, end)
    ]


def _iter_queries(dashboard: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"].replace("$__rate_interval", "15s")


def _has_series(prometheus: Prometheus, expression: str, start: float, end: float) -> bool:
    found = prometheus.get("query_range", query=expression, start=start, end=end, step=STEP_S)
    return any(value != "NaN" for series in found["result"] for _, value in series["values"])
