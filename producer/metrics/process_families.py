"""The Prometheus metrics of the processes that run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily as Gauge

from ...config.queues import Queue
from ...store.deployment.processes import Process, ProcessKind
from ..processes import count_workers


def process_families(processes: Collection[Process], needed: Collection[Queue]) -> Iterator[Metric]:
    """Yield how many processes run, by kind and version, and the workers of each needed queue."""
    by_kind = Gauge("imagequeue_processes", "Processes that run.", labels=["kind"])
    kinds = [each.kind for each in processes]
    for kind in ProcessKind:
        by_kind.add_metric([kind], kinds.count(kind))
    by_version = Gauge(
        "imagequeue_process_versions",
        "Processes that run, by their version.",
        labels=["kind", "version"],
    )
    versions = Counter((each.kind, each.version) for each in processes)
    for labels, count in versions.items():
        by_version.add_metric(labels, count)
    by_queue = Gauge(
        "imagequeue_queue_workers",
        "Workers that serve a queue which needs one.",
        labels=["queue"],
    )
    for queue in needed:
        by_queue.add_metric([queue], count_workers(processes, queue))
    yield from (by_kind, by_version, by_queue)
