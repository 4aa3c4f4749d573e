"""imagequeue's workers, and jobs whose URLs are known."""

from __future__ import annotations

from pathlib import Path

import redis

from benchmarks.downloads.files import put_aside
from benchmarks.downloads.jobs import add_downloading_jobs, make_downloading_job
from benchmarks.system import System, wait_until
from imagequeue.config.celery import make_celery
from imagequeue.config.queues import Queue
from imagequeue.jobs.job import State, add_seconds, utc_now
from imagequeue.producer.local.ports import LOOPBACK
from imagequeue.store import keys
from imagequeue.store.due.dispatcher import open_dispatcher
from imagequeue.store.due.wakeups import Priority
from imagequeue.store.jobs import Store

URL_LIFETIME_S = 14 * 86400
NOT_YET_S = 3600


class Workers:
    """Real workers of the download queue."""

    def __init__(self, folder: Path, port: int, processes: int, threads: int) -> None:
        host = f"{LOOPBACK}:{port}"
        self._system = System(
            folder,
            {"download_trusted_hosts": host},
            workers=processes,
            threads=threads // processes,
            queues=Queue.DOWNLOAD.value,
        )
        self._url = f"http://{host}/"
        self.client = redis.Redis.from_url(self._system.redis.url)
        self.redis_pid = int(self.client.info("server")["process_id"])
        self.store = Store(self.client, self._system.settings.images_url)
        settings = self._system.settings
        self._celery = make_celery(settings)
        self._dispatcher = open_dispatcher(settings, self.client, self._celery)
        self._succeeded = 0
        for name in self._system.workers:
            self._system.start(name)
        logs = [folder / f"{name}.log" for name in self._system.workers]
        wait_until(lambda: all(" ready." in log.read_text() for log in logs))

    @property
    def pids(self) -> list[int]:
        """Return the ids of the worker processes."""
        return [self._system.pid(name) for name in self._system.workers]

    def prepare(self, images: int, images_per_job: int) -> None:
        """Store jobs that are not due yet."""
        now = utc_now()
        due = add_seconds(now, NOT_YET_S)
        jobs = []
        for at in range(0, images, images_per_job):
            urls = [f"{self._url}{number}" for number in range(at, at + images_per_job)]
            jobs.append(make_downloading_job(now, lambda _, urls=urls: urls, due, URL_LIFETIME_S))
        self._ids = [job.id for job in jobs]
        add_downloading_jobs(self.store, self.client, jobs)

    def download(self, images: int) -> None:
        """Make the jobs due, dispatch as many as the queue takes, and wait for the last."""
        now = utc_now()
        due = dict.fromkeys(self._ids, now.timestamp())
        self.client.zadd(keys.due(Queue.DOWNLOAD), due)
        self._dispatcher.dispatch(Queue.DOWNLOAD, self._ids, now, Priority.LOW)
        self._succeeded += len(self._ids)
        wait_until(lambda: self.store.count_by_state()[State.SUCCEEDED] == self._succeeded, 300)

    def clear(self) -> None:
        """Verify that every image was saved, and put the files aside."""
        folder = Path(self._system.settings.images_url.removeprefix("file://"))
        jobs = self.store.get_many(self._ids)
        files = {f"file://{path}" for path in folder.rglob("*") if path.suffix in (".png", ".jpg")}
        assert files == {image.uri for job in jobs for image in job.images}
        put_aside(folder)

    def stop(self) -> None:
        """Stop everything."""
        self._celery.close()
        self._system.stop()
