"""The checks of the processes that run: a line for each, and one for each thing that differs."""

from __future__ import annotations

from collections.abc import Iterator

from ...config.settings import Settings
from ...store.clock import RedisClock
from ...store.processes import Process, list_processes
from ..processes import find_problems
from .redis_checks import connect


def check_processes(settings: Settings) -> Iterator[tuple[str, bool, str]]:
    """Yield what is examined, whether it is well, and details; raises what `connect` does."""
    with connect(settings) as client:
        processes, now = list_processes(client), RedisClock(client)()
    if not processes:
        yield "processes", True, "none runs"
    for each in processes:
        seen_s = max((now - each.seen_at).total_seconds(), 0)
        yield each.kind, True, f"{_describe(each)}, seen {seen_s:.0f} s ago"
    problems = find_problems(processes, settings) if processes else ()
    for problem in problems:
        yield "processes", False, problem


def _describe(process: Process) -> str:
    queues = f" ({','.join(process.queues)})" if process.queues else ""
    storage = f", storage {process.storage[:8]}" if process.storage else ""
    clock_s = round(process.clock_ahead_s, 1) + 0.0  # no -0.0
    return (
        f"{process.host}, pid {process.pid}{queues}: version {process.version}, "
        f"clock {clock_s:+.1f} s{storage}, settings {process.fingerprint}, "
        f"since {process.started_at:%Y-%m-%d %H:%M} UTC"
    )
