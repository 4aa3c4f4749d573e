"""What processes and a Redis server have used so far."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import psutil
import redis

MIB = 1024 * 1024


def process_tree(pids: Iterable[int]) -> list[psutil.Process]:
    """Return these processes and all their descendants."""
    tops = [psutil.Process(pid) for pid in pids]
    return [*tops, *(child for top in tops for child in top.children(recursive=True))]


def cpu_s(processes: Iterable[psutil.Process]) -> float:
    """Return the CPU seconds that processes have used, in user and in system mode."""
    times = [process.cpu_times() for process in processes]
    return float(sum(each.user + each.system for each in times))


def cpu_s_of(*pids: int) -> float:
    """Return the CPU seconds of processes, given by their ids."""
    return cpu_s(map(psutil.Process, pids))


def idle_s(cores: Collection[int] = ()) -> float:
    """Return the seconds that these cores (or all) were idle; other guests' time is not idle."""
    times = psutil.cpu_times(percpu=True)
    counted = [times[core] for core in cores] if cores else times
    return float(sum(each.idle + each.iowait for each in counted))


@contextmanager
def pinned(cores: Collection[int]) -> Iterator[None]:
    """Start processes on these cores while inside; with no cores, change nothing."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def pin(pid: int, *cores: int) -> None:
    """Move a running process to these cores."""
    for thread in psutil.Process(pid).threads():
        os.sched_setaffinity(thread.id, cores)


class Traffic(NamedTuple):
    """What a Redis server has done for its clients."""

    commands: int
    """Commands executed, those inside scripts included."""
    reads: int
    """Reads from clients: round trips, for a pipeline is one read."""
    bytes: int

    @classmethod
    def of(cls, client: redis.Redis) -> Traffic:
        """Return the totals so far."""
        # Older servers accept only one section in a call.
        stats: Any = client.info("stats")
        return cls(
            stats["total_commands_processed"],
            stats["total_reads_processed"],
            stats["total_net_input_bytes"] + stats["total_net_output_bytes"],
        )

    def __sub__(self, before: Traffic) -> Traffic:
        return Traffic(*(now - was for now, was in zip(self, before, strict=True)))


class PeakMemory(threading.Thread):
    """Samples the resident memory of processes, and remembers the peak of their sum."""

    EVERY_S = 0.1

    def __init__(self, processes: list[psutil.Process]) -> None:
        super().__init__(daemon=True)
        self._processes = processes
        self._over = threading.Event()
        self._peak = 0

    def run(self) -> None:
        """Sample until stopped."""
        while not self._over.wait(self.EVERY_S):
            try:
                now = sum(process.memory_info().rss for process in self._processes)
            except psutil.NoSuchProcess:
                return  # The run reports the process that ended.
            self._peak = max(self._peak, now)

    def stop(self) -> float:
        """Stop sampling, and return the peak in MiB."""
        self._over.set()
        self.join()
        return self._peak / MIB
