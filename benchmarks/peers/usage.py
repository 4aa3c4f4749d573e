"""What processes and a Redis have used so far."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import psutil
import redis

MIB = 1024 * 1024


def tree(pids: Iterable[int]) -> list[psutil.Process]:
    """These processes and all below them."""
    tops = [psutil.Process(pid) for pid in pids]
    return [*tops, *(child for top in tops for child in top.children(recursive=True))]


def cpu_s(processes: Iterable[psutil.Process]) -> float:
    """The processor time that they have used, in themselves and in the kernel."""
    times = [process.cpu_times() for process in processes]
    return float(sum(each.user + each.system for each in times))


def idle_s(cores: Collection[int] = ()) -> float:
    """What these cores, or all, have been idle for; time taken by other guests is none."""
    times = psutil.cpu_times(percpu=True)
    counted = [times[core] for core in cores] if cores else times
    return float(sum(each.idle + each.iowait for each in counted))


class Traffic(NamedTuple):
    """What a Redis has done for its clients."""

    commands: int
    """Executed, those inside scripts included."""
    reads: int
    """Times that something came from a client: round trips, for a pipeline is one."""
    bytes: int

    @classmethod
    def of(cls, client: redis.Redis) -> Traffic:
        """So far."""
        # Not two sections in one call: older servers take one alone.
        stats: Any = client.info("stats")
        return cls(
            stats["total_commands_processed"],
            stats["total_reads_processed"],
            stats["total_net_input_bytes"] + stats["total_net_output_bytes"],
        )

    def __sub__(self, before: Traffic) -> Traffic:
        return Traffic(*(now - was for now, was in zip(self, before, strict=True)))


class PeakMemory(threading.Thread):
    """Watches how much memory processes have resident together, at most."""

    EVERY_S = 0.1

    def __init__(self, processes: list[psutil.Process]) -> None:
        super().__init__(daemon=True)
        self._processes = processes
        self._over = threading.Event()
        self._most = 0

    def run(self) -> None:
        """Look until it is over."""
        while not self._over.wait(self.EVERY_S):
            try:
                now = sum(process.memory_info().rss for process in self._processes)
            except psutil.NoSuchProcess:
                return  # The run says why.
            self._most = max(self._most, now)

    def stop(self) -> float:
        """The most, in MiB."""
        self._over.set()
        self.join()
        return self._most / MIB
