"""What a snapshot says, as Prometheus names it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily as Counter
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.core import HistogramMetricFamily as Histogram
from prometheus_client.core import InfoMetricFamily as Info

from ... import __version__
from ...jobs.callback import Outcome
from ...jobs.job import Reason, State
from ...providers import PROVIDERS
from ...store.counters import BUCKETS_MS
from .snapshot import Snapshot

Sums = Mapping[str, int]
OUTCOMES = frozenset(Outcome)
# What an alert is to see the first of has to be 0 before: the rise to 1 is what it looks for.
ANSWERS = ("accepted", "forged", "oversized", "slow", "not_kept")


def families(seen: Snapshot, bound: int) -> Iterator[Metric]:
    """Every metric, of a queue whose settings bound its hints."""
    yield from _jobs(seen)
    yield from _times(seen.sums)
    yield from _callbacks(seen)
    yield from _queues(seen)
    yield Gauge("imagequeue_queue_bound", "The most hints that may stand in one queue.", bound)
    yield Gauge("imagequeue_webhooks_waiting", "Jobs with unsent webhooks.", seen.webhooks_waiting)
    yield Gauge("imagequeue_webhooks_dead", "Webhooks that were given up.", seen.webhooks_dead)
    yield from _redis(seen)


def _jobs(seen: Snapshot) -> Iterator[Metric]:
    jobs = Gauge("imagequeue_jobs", "Jobs on record.", labels=["state", "provider"])
    yield _filled(jobs, seen.sums, "jobs", 2)
    moves = Counter(
        "imagequeue_moves",
        "Moves from state to state; the cause of one to downloading tells who was first.",
        labels=["source", "target", "cause"],
    )
    yield _filled(moves, seen.sums, "moves", 3)
    failures = Counter("imagequeue_failures", "Moves to failed.", labels=["reason", "provider"])
    none = {f"failed.{reason}.{provider}": 0 for reason in Reason for provider in PROVIDERS}
    yield _filled(failures, {**none, **seen.sums}, "failed", 2)
    open_jobs = Gauge("imagequeue_open_jobs", "Jobs that have not ended.", labels=["caller"])
    for caller, count in seen.open_jobs.items():
        open_jobs.add_metric([caller], count)
    yield open_jobs


def _times(sums: Sums) -> Iterator[Metric]:
    stages = Histogram(
        "imagequeue_stage_seconds", "Time in a state, counted at its end.", labels=["state"]
    )
    for state in State:
        if f"stage.{state}.us" in sums:
            stages.add_metric([state], *_histogram(sums, f"stage.{state}"))
    yield stages
    yield Histogram(
        "imagequeue_saved_left_seconds",
        "What was left of its URL's life when a picture was saved; the lowest bucket: nothing.",
        *_histogram(sums, "saved.left"),
    )
    yield Histogram(
        "imagequeue_callback_store_seconds",
        "From the start of a callback to its answer.",
        *_histogram(sums, "callbacks.stored_ms"),
    )


def _callbacks(seen: Snapshot) -> Iterator[Metric]:
    received = Counter(
        "imagequeue_callbacks_received", "What the receiver answered.", labels=["answer"]
    )
    read = Counter(
        "imagequeue_callbacks_read", "What came of callbacks that were kept.", labels=["outcome"]
    )
    none = {f"callbacks.{answer}": 0 for answer in ANSWERS}
    for (name,), count in _split({**none, **seen.sums}, "callbacks", 1):
        if "." not in name:
            (read if name in OUTCOMES else received).add_metric([name], count)
    yield from (received, read)
    kept = "imagequeue_quarantine"
    yield Gauge(f"{kept}_callbacks", "Callbacks set aside for a person.", seen.quarantined)
    yield Gauge(f"{kept}_bytes", "The size of all of them.", seen.quarantined_bytes)


def _queues(seen: Snapshot) -> Iterator[Metric]:
    due = Gauge("imagequeue_wakeups_due", "Jobs due and not hinted.", labels=["queue"])
    overdue = Gauge(
        "imagequeue_wakeup_overdue_seconds",
        "How long the first of those has been due; 0 if none is.",
        labels=["queue"],
    )
    for queue, wakeups in seen.wakeups.items():
        due.add_metric([queue], wakeups.due)
        overdue.add_metric([queue], wakeups.overdue_s)
    messages = Gauge(
        "imagequeue_queue_messages", "Hints no worker has taken.", labels=["queue", "priority"]
    )
    for (queue, priority), count in seen.messages.items():
        messages.add_metric([queue, str(priority)], count)
    yield from (due, overdue, messages)


def _redis(seen: Snapshot) -> Iterator[Metric]:
    info = seen.redis
    yield Info(
        "imagequeue_build",
        "What runs here.",
        {"version": __version__, "redis_version": str(info["redis_version"])},
    )
    yield Gauge("imagequeue_redis_memory_bytes", "Memory that Redis uses.", info["used_memory"])
    # Without a bound of its own, it is the machine that ends it.
    most = info["maxmemory"] or info.get("total_system_memory", inf)
    yield Gauge("imagequeue_redis_memory_max_bytes", "Memory that it may use.", most)
    yield Gauge("imagequeue_redis_aof_enabled", "1 if its file is on.", info["aof_enabled"])
    written = info.get("aof_last_write_status", "ok") == "ok"
    yield Gauge("imagequeue_redis_aof_writable", "1 if the last write to it went well.", written)


def _split(sums: Sums, kind: str, parts: int) -> Iterator[tuple[list[str], int]]:
    """The sums of a kind, by the parts of their names."""
    for name, count in sums.items():
        head, *labels = name.split(".", parts)
        if head == kind and len(labels) == parts:
            yield labels, count


def _filled(family: Gauge | Counter, sums: Sums, kind: str, parts: int) -> Metric:
    for labels, count in _split(sums, kind, parts):
        family.add_metric(labels, count)
    return family


def _histogram(sums: Sums, name: str) -> tuple[list[tuple[str, float]], float]:
    """The buckets of a histogram of `Tally.observe`, and its sum, in seconds."""
    count, buckets = 0, []
    for bound in (*BUCKETS_MS, "inf"):
        count += sums.get(f"{name}.le.{bound}", 0)
        at = "+Inf" if isinstance(bound, str) else str(bound / 1000)
        buckets.append((at, float(count)))
    return buckets, sums.get(f"{name}.us", 0) / 1e6
