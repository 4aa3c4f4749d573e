"""A run: real workers download, and are killed at random."""

from __future__ import annotations

import random
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

import redis

from benchmarks.download_kills.image_host import ImageHost
from benchmarks.download_kills.verdict import Verdict, judge
from benchmarks.download_kills.watcher import Watcher
from benchmarks.downloads.jobs import add_downloading_jobs, make_downloading_job
from benchmarks.system import System, wait_until
from imagequeue.jobs.job import Job, State, utc_now
from imagequeue.store.jobs import Store

SETTINGS = {"lease_s": "1.5", "sweep_every_s": "0.1", "log_level": "WARNING"}
WORKERS, THREADS = 3, 4
IMAGES_PER_JOB = 4
# There is always enough work that a worker is busy when it is killed.
OPEN_JOBS = 40
# A worker takes about a second to start again.
KILL_EVERY_S = (0.3, 1.1)
URL_LIFETIME_S = 86400
CALM_TIMEOUT_S = 60.0


def run(kills: int, seed: int, folder: Path, kind: type[System] = System) -> Verdict:
    """Kill workers at random while they download, and judge when everything has ended."""
    rng = random.Random(seed)
    host = ImageHost()
    try:
        settings = {**SETTINGS, "download_trusted_hosts": host.address}
        system = kind(folder, settings, workers=WORKERS, threads=THREADS, queues="download")
        saved = Path(unquote(urlsplit(system.settings.images_url).path))
        watcher = Watcher(saved)
        try:
            with closing(redis.Redis.from_url(system.redis.url)) as client:
                store = Store(client, system.settings.images_url)
                ids = _add_jobs(store, client, host, [])
                for name in system.workers:
                    system.start(name)
                watcher.start()
                wait_until(lambda: host.complete, CALM_TIMEOUT_S)
                for _ in range(kills):
                    time.sleep(rng.uniform(*KILL_EVERY_S))
                    system.revive()
                    ids = _add_jobs(store, client, host, ids)
                    name = rng.choice(system.workers)
                    system.kill(name)
                    system.start(name)
                _wait_for_downloads(system, store)
                return judge(store, host, watcher, saved, kills, ids)
        finally:
            watcher.stop()
            system.stop()
    finally:
        host.stop()


def _add_jobs(store: Store, client: redis.Redis, host: ImageHost, ids: list[str]) -> list[str]:
    """Replace the jobs that have ended; returns the ids of all jobs so far."""
    missing = OPEN_JOBS - store.count_by_state()[State.DOWNLOADING]
    if missing <= 0:
        return ids
    jobs = [_make_job(host) for _ in range(missing)]
    add_downloading_jobs(store, client, jobs)
    return [*ids, *(job.id for job in jobs)]


def _make_job(host: ImageHost) -> Job:
    def make_urls(job_id: str) -> list[str]:
        return [f"http://{host.address}/{job_id}/{n}" for n in range(IMAGES_PER_JOB)]

    now = utc_now()
    return make_downloading_job(now, make_urls, now, URL_LIFETIME_S)


def _wait_for_downloads(system: System, store: Store) -> None:
    """Return when nothing is left to download, or after a timeout."""
    deadline = time.monotonic() + CALM_TIMEOUT_S
    while store.count_by_state()[State.DOWNLOADING] and time.monotonic() < deadline:
        system.revive()
        time.sleep(0.1)
