"""A Redis and a disk that fill up."""

from __future__ import annotations

import time

from benchmarks.alerts.scenario import Scenario
from benchmarks.alerts.site import Site
from benchmarks.system import wait_until
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient

MB = 1_000_000
BALLAST = "ballast"
LIMIT = 100 * MB
FULL_DISK = 1000 * MB


def _fill_redis(site: Site) -> None:
    """Fill it slowly to its limit, while callbacks arrive."""
    site.redis.config_set("maxmemory", LIMIT)
    _add_ballast(site, LIMIT * 6 // 10)
    site.wait_for("ImagequeueRedisFilling", meanwhile=lambda: _add_ballast(site, MB // 5))
    _add_ballast(site, LIMIT * 83 // 100 - _used(site))
    site.wait_for("ImagequeueRedisMemory")
    site.submit(5)
    time.sleep(0.5)
    site.redis.config_set("maxmemory", 2 * MB)
    time.sleep(4)
    site.doctor()
    site.redis.config_set("maxmemory", 10 * LIMIT)


def _add_ballast(site: Site, size: int) -> None:
    """Store that many bytes, in pieces that Redis need not copy."""
    for _ in range(size // 100_000):
        site.redis.set(f"{BALLAST}:{time.monotonic_ns()}", bytes(100_000))


def _used(site: Site) -> int:
    return int(site.redis.info("memory")["used_memory"])


def _drop_ballast(site: Site) -> None:
    site.doctor()
    site.redis.delete(*site.redis.keys(f"{BALLAST}:*"))


def _fill_disk(site: Site) -> None:
    site.fill_disk(BALLAST, site.free_bytes() * 6 // 10)
    site.wait_for("ImagequeueStorageFilling", meanwhile=lambda: site.fill_disk(BALLAST, MB))
    jobs = [job.id for job in site.submit(4, "[slow=15]")]
    client = LocalClient(site.system.settings)
    wait_until(lambda: all(job.state is State.WAITING for job in client.get_many(jobs)))
    site.fill_disk(BALLAST, FULL_DISK)


def _give_room(site: Site) -> None:
    site.doctor()
    (site.images / BALLAST).unlink()
    site.run("list", "--state", "unsaved")
    site.run("retry", "--state", "unsaved")


SCENARIOS = (
    Scenario(
        ("ImagequeueRedisNotDurable",),
        "`config set appendonly no`",
        "`info persistence`, `config set appendonly yes`",
        lambda site: site.redis.config_set("appendonly", "no"),
        lambda site: site.redis.config_set("appendonly", "yes"),
    ),
    Scenario(
        ("ImagequeueRedisFilling", "ImagequeueRedisMemory", "ImagequeueCallbacksNotKept"),
        "Redis filled, 200 KB a second, to its `maxmemory`; five callbacks",
        "`doctor`, `config set maxmemory`; removed what filled it",
        _fill_redis,
        _drop_ballast,
    ),
    Scenario(
        ("ImagequeueStorageFilling", "ImagequeueUnsaved", "ImagequeueUnsavedRemain"),
        "the disk of the images filled, 1 MB a second, then at once; four jobs",
        "`doctor`; made room; `list --state unsaved`, `retry --state unsaved`",
        _fill_disk,
        _give_room,
    ),
)
