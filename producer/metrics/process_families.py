"""The Prometheus metrics of the processes that run."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily as Gauge

from ...config.queues import Queue
from ...store.deployment.processes import Process, ProcessKind
from ..processes import count_workers


def process_families(processes: Collection[Process], needed: Collection[Queue]) -> Iterator[Metric]:
    """Yield how many processes of each kind run, and how many workers serve each needed queue."""
    by_kind = Gauge("imagequeue_processes", "Processes that run.", labels=["kind"])
    kinds = [each.kind for each in processes]
    for kind in ProcessKind:
        by_kind.add_metric([kind], kinds.count(kind))
    by_queue = Gauge(
        "imagequeue_queue_workers",
        "Workers that serve a queue which needs one.",
        labels=["queue"],
    )
    for queue in needed:
        by_queue.add_metric([queue], count_workers(processes, queue))
    yield from (by_kind, by_queue)
