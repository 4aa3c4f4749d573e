"""A model: from what one job and one worker cost to what many jobs a day need."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from benchmarks.growth.idle import Idle
from benchmarks.growth.jobs import IMAGE_KB, PerJob
from benchmarks.growth.processes import Slopes
from benchmarks.growth.records import Records

DAY_S = 86_400
JOBS_PER_DAY = (10_000, 100_000, 1_000_000, 10_000_000)
# The busiest hour's rate over the day's mean, and how busy a process may be then.
PEAK = 3
BUSY = 0.7
THREADS = 16
# From acceptance to callback.
WAIT_S = 120
RETENTION_DAYS = 30
"""Without an archive."""
ARCHIVED_BYTES = {"SQLite": 2_153, "PostgreSQL": 2_816}
"""A job there, as `benchmarks.archive` measures it."""
# An empty Redis.
EMPTY_MB = 2.0
# Redis's default for `maxclients`.
MAX_CLIENTS = 10_000
# One kie.ai account: 20 new tasks in 10 seconds.
KIE_JOBS_PER_DAY = 20 * DAY_S // 10


class Costs(NamedTuple):
    """The measurements that the model is based on."""

    job: PerJob
    """With one Redis server."""
    two_servers: PerJob
    """With a second Redis server for the messages."""
    records: Records
    worker: Slopes
    idle: Idle
    """One worker."""
    other_connections: float
    """One API, one receiver and one Flower."""

    @property
    def connections_per_worker(self) -> float:
        """Return the connections of a worker with the default number of threads."""
        return self.worker.connections + THREADS * self.worker.connections_per_thread


class Need(NamedTuple):
    """What a number of jobs a day needs."""

    worker_cores: float
    other_cores: float
    workers: int
    redis_share: float
    redis_peak: float
    waiting_mb: float
    day_mb: float
    """What the finished jobs of a day take."""
    month_mb: float
    connections: float


def compute_need(costs: Costs, per_day: int) -> Need:
    """Return rates times costs of a job, and slopes times workers."""
    job, rate = costs.job, per_day / DAY_S
    worker_cores = rate * job.worker_ms / 1000
    workers = max(1, ceil(PEAK * worker_cores / BUSY))
    idle_share = workers * costs.idle.redis_share
    redis_share = rate * job.redis_ms / 1000
    return Need(
        worker_cores,
        rate * (job.api_ms + job.receiver_ms + job.flower_ms) / 1000,
        workers,
        redis_share + idle_share,
        PEAK * redis_share + idle_share,
        EMPTY_MB
        + costs.records.thousand_changes / 1e5
        + PEAK * rate * WAIT_S * costs.records.waiting / 1e6,
        per_day * costs.records.day_bytes / 1e6,
        per_day * costs.records.days_bytes(RETENTION_DAYS) / 1e6,
        workers * costs.connections_per_worker + costs.other_connections,
    )


def print_needs(costs: Costs) -> None:
    """Print what each number of jobs a day needs."""
    print(
        "| jobs a day | mean jobs/s | cores: workers, API with receiver and Flower "
        "| worker processes | Redis, of a core: mean, peak | Redis MB: at work "
        f"| finished, of a day | of {RETENTION_DAYS} days, without an archive "
        "| archive, GB a year: " + ", ".join(ARCHIVED_BYTES) + " | Redis connections "
        "| AOF written, GB a day | images, GB a day |"
    )
    print("|---" * 12 + "|")
    for per_day in JOBS_PER_DAY:
        found = compute_need(costs, per_day)
        print(
            f"| {per_day:,} | {per_day / DAY_S:.1f} "
            f"| {found.worker_cores:.2f}, {found.other_cores:.2f} | {found.workers} "
            f"| {found.redis_share:.1%}, {found.redis_peak:.1%} | {found.waiting_mb:,.0f} "
            f"| {found.day_mb:,.0f} | {found.month_mb:,.0f} | {_year_gb(per_day)} "
            f"| {found.connections:,.0f} | {per_day * costs.job.aof_bytes / 1e9:,.1f} "
            f"| {per_day * IMAGE_KB / 1e6:,.0f} |"
        )


def _year_gb(per_day: int) -> str:
    return ", ".join(f"{per_day * 365 * each / 1e9:,.0f}" for each in ARCHIVED_BYTES.values())


def compute_ceilings(costs: Costs) -> dict[str, float]:
    """Return the jobs a day at which each resource is full, in ascending order."""
    job, day_ms = costs.job, DAY_S * 1000
    max_workers = (MAX_CLIENTS - costs.other_connections) / costs.connections_per_worker
    busy_ms, day_bytes = BUSY * day_ms, costs.records.day_bytes
    found = {
        "one kie.ai account: 20 new tasks in 10 s, all day": KIE_JOBS_PER_DAY,
        "one worker process, a core of its own": busy_ms / job.worker_ms,
        "two cores that do everything, Redis included": 2 * busy_ms / job.all_ms,
        "one API process": busy_ms / job.api_ms,
        "one receiver process": busy_ms / job.receiver_ms,
        "1 GB of Redis": 1e9 / day_bytes,
        "16 GB of Redis": 16e9 / day_bytes,
        "1 GB of Redis, without an archive": 1e9 / costs.records.days_bytes(RETENTION_DAYS),
        "Redis's one thread, everything in one Redis": busy_ms / job.redis_ms,
        "Redis's one thread, messages in another (`BROKER_URL`)": busy_ms
        / costs.two_servers.redis_ms,
        f"{MAX_CLIENTS:,} connections (`maxclients`), as workers": max_workers
        * busy_ms
        / job.worker_ms,
    }
    return dict(sorted(found.items(), key=lambda pair: pair[1]))


def print_ceilings(costs: Costs) -> None:
    """Print what is full first."""
    print(f"| full at, spread over the day ({BUSY:.0%} busy) | jobs a day |")
    print("|---|---|")
    for what, per_day in compute_ceilings(costs).items():
        print(f"| {what} | {float(f'{per_day:.3g}'):,.0f} |")
