"""The Prometheus metrics of a snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily as Counter
from prometheus_client.core import Exemplar
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.core import HistogramMetricFamily as Histogram
from prometheus_client.core import InfoMetricFamily as Info

from ... import __version__
from ...config.tracing import find_trace_id
from ...jobs.callback import Outcome
from ...jobs.job import Reason, State
from ...providers import PROVIDERS
from ...store.counters import BUCKETS_MS
from .snapshot import Snapshot

Sums = Mapping[str, int]
OUTCOMES = frozenset(Outcome)
# Reported as 0 before the first one: an alert looks for the rise from 0 to 1.
ALERTED = (State.UNCONFIRMED, State.UNSAVED)
ANSWERS = ("accepted", "forged", "oversized", "slow", "not_kept")


def families(seen: Snapshot, max_queued_messages: int) -> Iterator[Metric]:
    """Yield every metric."""
    yield from _jobs(seen)
    yield from _durations(seen.sums, seen.exemplars)
    yield from _callbacks(seen)
    yield from _queues(seen)
    yield Gauge(
        "imagequeue_max_queued_messages",
        "Maximum number of messages that are put into one queue.",
        max_queued_messages,
    )
    yield Gauge("imagequeue_webhooks_waiting", "Jobs with unsent webhooks.", seen.webhooks_waiting)
    yield Gauge("imagequeue_webhooks_dead", "Dead-lettered webhooks.", seen.webhooks_dead)
    paused = Gauge(
        "imagequeue_paused", "1 for what is not sent for now.", labels=["name", "reason"]
    )
    for pause in seen.pauses:
        paused.add_metric([pause.name, pause.kind], 1)
    yield paused
    yield from _redis(seen)


def _jobs(seen: Snapshot) -> Iterator[Metric]:
    jobs = Gauge("imagequeue_jobs", "Stored jobs.", labels=["state", "provider"])
    none = {f"jobs.{state}.{provider}": 0 for state in ALERTED for provider in PROVIDERS}
    yield _fill(jobs, {**none, **seen.sums}, "jobs", 2)
    transitions = Counter(
        "imagequeue_transitions",
        "State transitions; the cause of one to downloading is the first report of success.",
        labels=["source", "target", "cause"],
    )
    yield _fill(transitions, seen.sums, "transitions", 3)
    failures = Counter("imagequeue_failures", "Jobs that failed.", labels=["reason", "provider"])
    none = {f"failed.{reason}.{provider}": 0 for reason in Reason for provider in PROVIDERS}
    yield _fill(failures, {**none, **seen.sums}, "failed", 2)
    open_jobs = Gauge("imagequeue_open_jobs", "Jobs that are not finished.", labels=["caller"])
    for caller, count in seen.open_jobs.items():
        open_jobs.add_metric([caller], count)
    yield open_jobs
    yield Gauge("imagequeue_unreadable_jobs", "Jobs with unreadable records.", seen.unreadable)


def _durations(sums: Sums, exemplars: Mapping[bytes, bytes]) -> Iterator[Metric]:
    stages = Histogram(
        "imagequeue_stage_seconds", "Time spent in a state, counted on leaving.", labels=["state"]
    )
    for state in State:
        if f"stage.{state}.us" in sums:
            stages.add_metric([state], *_histogram(sums, f"stage.{state}"))
    yield stages
    yield Histogram(
        "imagequeue_job_seconds",
        "Time from a request, its `not_before` or a retry to the last saved image of its job.",
        *_histogram(sums, "job", exemplars),
    )
    yield Histogram(
        "imagequeue_saved_left_seconds",
        "Remaining lifetime of the result URL when its image was saved; lowest bucket: expired.",
        *_histogram(sums, "saved.left"),
    )
    yield Histogram(
        "imagequeue_callback_store_seconds",
        "Time from the start of a callback request to its response.",
        *_histogram(sums, "callbacks.stored_ms"),
    )


def _callbacks(seen: Snapshot) -> Iterator[Metric]:
    received = Counter(
        "imagequeue_callbacks_received", "Callback requests by response.", labels=["answer"]
    )
    read = Counter(
        "imagequeue_callbacks_read", "Stored callbacks by their effect.", labels=["outcome"]
    )
    none = {f"callbacks.{answer}": 0 for answer in ANSWERS}
    for (name,), count in split_sums({**none, **seen.sums}, "callbacks", 1):
        if "." not in name:
            (read if name in OUTCOMES else received).add_metric([name], count)
    yield from (received, read)
    prefix = "imagequeue_quarantine"
    yield Gauge(f"{prefix}_callbacks", "Quarantined callbacks.", seen.quarantined)
    yield Gauge(f"{prefix}_bytes", "Total size of quarantined callbacks.", seen.quarantined_bytes)


def _queues(seen: Snapshot) -> Iterator[Metric]:
    due = Gauge(
        "imagequeue_wakeups_due",
        "Jobs due but not dispatched, without ready ones.",
        labels=["queue"],
    )
    overdue = Gauge(
        "imagequeue_wakeup_overdue_seconds",
        "How long the earliest of those has been due, or no worker looked for ready jobs.",
        labels=["queue"],
    )
    for queue, wakeups in seen.wakeups.items():
        due.add_metric([queue], wakeups.due)
        overdue.add_metric([queue], wakeups.overdue_s)
    messages = Gauge(
        "imagequeue_queue_messages",
        "Messages that no worker has received.",
        labels=["queue", "priority"],
    )
    for (queue, priority), count in seen.messages.items():
        messages.add_metric([queue, str(priority)], count)
    yield from (due, overdue, messages)


def _redis(seen: Snapshot) -> Iterator[Metric]:
    info = seen.redis
    yield Info(
        "imagequeue_build",
        "Versions of imagequeue and Redis.",
        {"version": __version__, "redis_version": str(info["redis_version"])},
    )
    yield Gauge("imagequeue_redis_memory_bytes", "Memory used by Redis.", info["used_memory"])
    yield Gauge("imagequeue_redis_memory_max_bytes", "Memory that Redis may use.", seen.max_memory)
    # Hosted services may not say whether they write a file.
    if (enabled := info.get("aof_enabled")) is not None:
        yield Gauge("imagequeue_redis_aof_enabled", "1 if appendonly is on.", enabled)
    written = info.get("aof_last_write_status", "ok") == "ok"
    yield Gauge("imagequeue_redis_aof_writable", "1 if the last AOF write succeeded.", written)


def split_sums(sums: Sums, kind: str, parts: int) -> Iterator[tuple[list[str], int]]:
    """Yield the labels and the count of each counter of a kind, with that number of labels."""
    for name, count in sums.items():
        head, *labels = name.split(".", parts)
        if head == kind and len(labels) == parts:
            yield labels, count


def _fill(family: Gauge | Counter, sums: Sums, kind: str, parts: int) -> Metric:
    for labels, count in split_sums(sums, kind, parts):
        family.add_metric(labels, count)
    return family


def _histogram(
    sums: Sums, name: str, exemplars: Mapping[bytes, bytes] = MappingProxyType({})
) -> tuple[list[Any], float]:
    """Return the cumulative buckets and the sum, in seconds, of a `PendingCounts` histogram."""
    count, buckets = 0, list[Any]()
    for bound in (*BUCKETS_MS, "inf"):
        counter = f"{name}.le.{bound}"
        count += sums.get(counter, 0)
        at = "+Inf" if isinstance(bound, str) else str(bound / 1000)
        buckets.append((at, float(count), _parse_exemplar(exemplars.get(counter.encode()))))
    return buckets, sums.get(f"{name}.us", 0) / 1e6


def _parse_exemplar(found: bytes | None) -> Exemplar | None:
    """Return the trace of a job, and its duration in seconds; None if that is damaged."""
    try:
        job_id, ms, ended_at = (found or b"").decode().split()
        labels = {"trace_id": f"{find_trace_id(job_id):032x}"}
        return Exemplar(labels, float(ms) / 1000, float(ended_at))
    except ValueError:
        return None
