"""What one job costs from the API to the stored image, by process."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import redis
import requests

from benchmarks.full_system import FullSystem
from benchmarks.provider import PROVIDER, read_posts
from benchmarks.usage import cpu_s_of
from benchmarks.waiting import PROMPT
from imagequeue.config.settings import Settings
from imagequeue.jobs.job import Job, State
from imagequeue.producer.local.embedded_redis import EmbeddedRedis
from imagequeue.store.jobs import Store

IMAGE_KB = 500
WARM_UP = 50
LOOK_EVERY_S = 0.2
DRAIN_TIMEOUT_S = 180
POLLED_AFTER_S = "1"
KINDS = ("worker", "api", "receiver", "flower")
COUNTED = ("aof_current_size", "total_commands_processed")


class PerJob(NamedTuple):
    """What a job costs: CPU milliseconds of each process, and bytes and commands of Redis."""

    worker_ms: float
    api_ms: float
    receiver_ms: float
    flower_ms: float
    redis_ms: float
    broker_ms: float
    aof_bytes: float
    commands: float
    jobs_per_s: float
    paid_twice: int
    example: Job

    @property
    def all_ms(self) -> float:
        """Return the milliseconds of a machine that runs everything except the provider."""
        servers = self.redis_ms + self.broker_ms
        return self.worker_ms + self.api_ms + self.receiver_ms + self.flower_ms + servers


class _Totals(NamedTuple):
    cpu_s: dict[str, float]
    redis_s: float
    broker_s: float
    aof_bytes: int
    commands: int


def measure(folder: Path, jobs: int, delivery: str, *, two_redises: bool = False) -> PerJob:
    """Run `jobs` through a full system, and return what one job costs."""
    settings = {"poll_countdowns": POLLED_AFTER_S} if delivery == "poll" else {}
    broker = EmbeddedRedis(Settings(data_dir=folder / "broker"))
    with ExitStack() as stack:
        stack.callback(broker.stop)
        if two_redises:
            settings["broker_url"] = broker.start()
        system = FullSystem(folder, settings, ("--image-kb", str(IMAGE_KB)))
        stack.callback(system.stop)
        system.start_all()
        with redis.Redis.from_url(system.redis.url) as client:
            # A rewrite of the file would make it look smaller.
            client.config_set("auto-aof-rewrite-percentage", 0)
            store = Store(client)
            _run_jobs(system.api_url, store, WARM_UP, delivery, before=0)
            before, started = _read_totals(system, broker), time.monotonic()
            _run_jobs(system.api_url, store, jobs, delivery, before=WARM_UP)
            took_s, after = time.monotonic() - started, _read_totals(system, broker)
            (example,) = store.list(State.SUCCEEDED, limit=1).jobs
        twice = len(read_posts(system.sandbox_url)) - jobs - WARM_UP
        return _divide(before, after, jobs, took_s, twice, example)


def _run_jobs(api: str, store: Store, jobs: int, delivery: str, before: int) -> None:
    """Submit jobs over HTTP one after the other, and wait until every one has succeeded."""
    with requests.Session() as session:
        for number in range(jobs):
            prompt = f"{before + number} {PROMPT}"
            body = {"provider": PROVIDER, "prompt": prompt, "delivery": delivery}
            session.post(f"{api}/v1/jobs", json=body, timeout=30).raise_for_status()
    deadline = time.monotonic() + DRAIN_TIMEOUT_S
    # Rarely: each look is counted too.
    while store.count_by_state()[State.SUCCEEDED] < before + jobs:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not all succeeded: {store.count_by_state()}")
        time.sleep(LOOK_EVERY_S)


def _read_totals(system: FullSystem, broker: EmbeddedRedis) -> _Totals:
    names = [*system.workers, *KINDS[1:]]
    cpu = {name: cpu_s_of(system.pid(name)) for name in names}
    jobs, other = _info(system.redis.url), _info(broker.url)
    return _Totals(
        {kind: sum(s for name, s in cpu.items() if name.startswith(kind)) for kind in KINDS},
        _server_s(jobs),
        _server_s(other),
        *(int(jobs.get(key, 0) + other.get(key, 0)) for key in COUNTED),
    )


def _info(url: str) -> dict[str, Any]:
    if not url:
        return {}
    with redis.Redis.from_url(url) as client:
        found: Any = client.info("all")
        return dict(found)


def _server_s(info: dict[str, Any]) -> float:
    return float(info.get("used_cpu_user", 0.0) + info.get("used_cpu_sys", 0.0))


def _divide(
    before: _Totals, after: _Totals, jobs: int, took_s: float, paid_twice: int, example: Job
) -> PerJob:
    ms = {kind: (after.cpu_s[kind] - before.cpu_s[kind]) / jobs * 1000 for kind in KINDS}
    return PerJob(
        ms["worker"],
        ms["api"],
        ms["receiver"],
        ms["flower"],
        (after.redis_s - before.redis_s) / jobs * 1000,
        (after.broker_s - before.broker_s) / jobs * 1000,
        (after.aof_bytes - before.aof_bytes) / jobs,
        (after.commands - before.commands) / jobs,
        jobs / took_s,
        paid_twice,
        example,
    )


def print_table(runs: dict[str, PerJob]) -> None:
    """Print a row for each run."""
    print(
        "| a job | workers, CPU ms | API | receiver | Flower | Redis | broker's Redis "
        "| Redis commands | AOF bytes | jobs/s here | paid twice |"
    )
    print("|---" * 11 + "|")
    for name, run in runs.items():
        broker = f"{run.broker_ms:.2f}" if run.broker_ms else "the same"
        print(
            f"| {name} | {run.worker_ms:.1f} | {run.api_ms:.1f} | {run.receiver_ms:.1f} "
            f"| {run.flower_ms:.1f} | {run.redis_ms:.2f} | {broker} "
            f"| {run.commands:.0f} | {run.aof_bytes:,.0f} "
            f"| {run.jobs_per_s:.0f} | {run.paid_twice} |"
        )
