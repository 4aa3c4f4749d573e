"""The checks of the processes that run: a line for each, and one for each thing that differs."""

from __future__ import annotations

from collections.abc import Iterator

from ...config.queues import Queue
from ...config.settings import Settings
from ...store.clock import RedisClock
from ...store.deployment.processes import Process, list_processes
from ..processes import count_workers, find_differences, list_needed_queues
from .redis_checks import connect


def check_processes(settings: Settings) -> Iterator[tuple[str, bool, str]]:
    """Yield what is examined, whether it is well, and details; raises what `connect` does."""
    with connect(settings) as client:
        processes, now = list_processes(client), RedisClock(client)()
    for each in processes:
        seen_s = max((now - each.seen_at).total_seconds(), 0)
        yield each.kind, True, f"{_describe(each)}, seen {seen_s:.0f} s ago"
    for queue in list_needed_queues(settings):
        count = count_workers(processes, queue)
        # Before the first start, there is none of anything.
        yield f"workers of {queue}", bool(count or not processes), _describe_workers(queue, count)
    for problem in find_differences(processes):
        yield "processes", False, problem


def _describe_workers(queue: Queue, count: int) -> str:
    command = f"`celery -A imagequeue.worker worker -Q {queue}`, or `imagequeue up` for all"
    return str(count) if count else f"none runs: {command}"


def _describe(process: Process) -> str:
    queues = f" ({','.join(process.queues)})" if process.queues else ""
    storage = f", storage {process.storage[:8]}" if process.storage else ""
    clock_s = round(process.clock_ahead_s, 1) + 0.0  # no -0.0
    return (
        f"{process.host}, pid {process.pid}{queues}: version {process.version}, "
        f"clock {clock_s:+.1f} s{storage}, settings {process.fingerprint}, "
        f"since {process.started_at:%Y-%m-%d %H:%M} UTC"
    )
