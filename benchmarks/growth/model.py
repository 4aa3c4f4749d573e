"""From what one job and one worker cost to what so many jobs a day need: a model, not a run."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from benchmarks.growth.held import Slopes
from benchmarks.growth.idle import Idle
from benchmarks.growth.jobs import PICTURE_KB, PerJob
from benchmarks.growth.records import Records

DAY_S = 86_400
JOBS_A_DAY = (10_000, 100_000, 1_000_000, 10_000_000)
# The busiest hour's rate beside the day's mean, and how busy a process may be then.
PEAK = 3
BUSY = 0.7
THREADS = 16
# Between the acceptance and the callback.
WAIT_S = 120
RETENTION_DAYS = 30
# What is there before the first job, and the stream of changes at its longest.
EMPTY_MB = 2.0
# Of Redis: its own default for `maxclients`.
MAX_CLIENTS = 10_000
# kie.ai, of one account: 20 new tasks in 10 seconds.
KIE_A_DAY = 20 * DAY_S // 10


class Costs(NamedTuple):
    """Everything measured that the model rests on."""

    job: PerJob
    """In one Redis."""
    apart: PerJob
    """With the messages in a Redis of their own."""
    records: Records
    worker: Slopes
    idle: Idle
    """Of one worker."""
    other_connections: float
    """Of one API, one receiver and one Flower."""

    @property
    def connections_a_worker(self) -> float:
        """With the default number of threads."""
        return self.worker.connections + THREADS * self.worker.connections_a_thread


class Need(NamedTuple):
    """What so many jobs a day need."""

    worker_cores: float
    other_cores: float
    workers: int
    redis_share: float
    redis_peak: float
    waiting_mb: float
    kept_mb: float
    connections: float


def need(costs: Costs, a_day: int) -> Need:
    """The model: rates times costs a job, and slopes times workers."""
    job, rate = costs.job, a_day / DAY_S
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
        a_day * costs.records.kept / 1e6,
        workers * costs.connections_a_worker + costs.other_connections,
    )


def needs_table(costs: Costs) -> None:
    """What each number of jobs a day needs."""
    print(
        "| jobs a day | mean jobs/s | cores: workers, API with receiver and Flower "
        "| worker processes | Redis, of a core: mean, peak | Redis MB: at work "
        f"| kept {RETENTION_DAYS} days | kept 1 day | Redis connections "
        "| AOF written, GB a day | pictures, GB a day |"
    )
    print("|---" * 11 + "|")
    for a_day in JOBS_A_DAY:
        found = need(costs, a_day)
        print(
            f"| {a_day:,} | {a_day / DAY_S:.1f} "
            f"| {found.worker_cores:.2f}, {found.other_cores:.2f} | {found.workers} "
            f"| {found.redis_share:.1%}, {found.redis_peak:.1%} | {found.waiting_mb:,.0f} "
            f"| {found.kept_mb * RETENTION_DAYS:,.0f} | {found.kept_mb:,.0f} "
            f"| {found.connections:,.0f} | {a_day * costs.job.aof_bytes / 1e9:,.1f} "
            f"| {a_day * PICTURE_KB / 1e6:,.0f} |"
        )


def ceilings(costs: Costs) -> dict[str, float]:
    """The jobs a day at which each thing is full, the first to be so first."""
    job, apart, day_ms = costs.job, costs.apart, DAY_S * 1000
    most_workers = (MAX_CLIENTS - costs.other_connections) / costs.connections_a_worker
    busy_ms = BUSY * day_ms
    found = {
        "one kie.ai account: 20 new tasks in 10 s, all day": KIE_A_DAY,
        "one worker process, a core of its own": busy_ms / job.worker_ms,
        "two cores that do everything, Redis included": 2 * busy_ms / job.all_ms,
        "one API process": busy_ms / job.api_ms,
        "one receiver process": busy_ms / job.receiver_ms,
        "1 GB of Redis, ended jobs kept 30 days": 1e9 / RETENTION_DAYS / costs.records.kept,
        "16 GB of Redis, ended jobs kept 30 days": 16e9 / RETENTION_DAYS / costs.records.kept,
        "16 GB of Redis, ended jobs kept 1 day": 16e9 / costs.records.kept,
        "Redis's one thread, everything in one Redis": busy_ms / job.redis_ms,
        "Redis's one thread, messages in another (`BROKER_URL`)": busy_ms / apart.redis_ms,
        f"{MAX_CLIENTS:,} connections (`maxclients`), as workers": most_workers
        * busy_ms
        / job.worker_ms,
    }
    return dict(sorted(found.items(), key=lambda pair: pair[1]))


def ceilings_table(costs: Costs) -> None:
    """What is full first."""
    print(f"| full at, spread over the day ({BUSY:.0%} busy) | jobs a day |")
    print("|---|---|")
    for what, a_day in ceilings(costs).items():
        print(f"| {what} | {float(f'{a_day:.3g}'):,.0f} |")
