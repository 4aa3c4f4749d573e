"""What one run of one stack measured."""

from __future__ import annotations

import os
from typing import NamedTuple


class Layout(NamedTuple):
    """Which cores each part may use; where this is empty, the kernel decides."""

    workers: tuple[frozenset[int], ...] = ()
    """The cores of each worker command, in order."""
    others: frozenset[int] = frozenset()
    """The cores of Redis, the provider and the submission."""


class Figures(NamedTuple):
    """One run, from the first job taken to the last image stored."""

    jobs_per_s: float
    rss_mib: float
    idle_cores: float
    """Cores that nothing used, on average."""
    left_cores: float
    """The part of it on cores that the workers may use."""
    load_cores: float
    """Cores that this process used to watch the run."""

    # For each job:
    cpu_ms: float
    commands: float
    round_trips: float
    redis_kb: float
    redis_cpu_ms: float
    provider_cpu_ms: float
    submission_commands: float

    @property
    def foreign_cores(self) -> float:
        """Return the cores that processes used which have no part in the run, on average."""
        ours_ms = self.cpu_ms + self.redis_cpu_ms + self.provider_cpu_ms
        known = ours_ms * self.jobs_per_s / 1000 + self.load_cores + self.idle_cores
        return max(0.0, (os.cpu_count() or 1) - known)

    @property
    def worker_cores(self) -> float:
        """Return the cores that the workers used, on average."""
        return self.cpu_ms * self.jobs_per_s / 1000
