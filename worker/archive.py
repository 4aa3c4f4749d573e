"""Move finished jobs to the archive, in a thread of its own beside the sweep."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

from celery import bootsteps
from redis.exceptions import LockError, RedisError

from ..config.logging import get_logger
from ..config.process import exit_on_config_error
from ..config.redis import reachable
from ..errors import ArchiveUnavailableError, ConfigError
from ..store.deployment import keys
from ..store.deployment.agreement import Deployment
from ..store.history.archiving import Archiving
from ..store.listing import PAGE
from .context import Context

log = get_logger(__name__)

# A worker that is killed while it moves jobs makes the others wait for this long.
LOCK_S = 30
BACKLOG_EVERY_S = 0.05
RETRY_S = 15.0


class Archiver:
    """Moves jobs of one worker's Redis; raises what Redis and the archive raise."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._is_compared = False

    def compare(self) -> None:
        """Raise ConfigError unless the archive is that of all other processes."""
        Deployment(self._ctx.store.redis).require_archive(self._ctx.open_archive())
        self._is_compared = True

    def move(self) -> float:
        """Move some jobs and entries of the ledger; return the seconds until there may be more."""
        ctx = self._ctx
        if not self._is_compared:
            self.compare()
        archive = ctx.open_archive()
        # Two workers that move the same jobs do no harm, and no good.
        lock = ctx.store.redis.lock(keys.ARCHIVE_LOCK, timeout=LOCK_S)
        if archive is None or not lock.acquire(blocking=False):
            return ctx.settings.sweep_every_s
        archiving = Archiving(ctx.store.redis, ctx.store.deletion, archive)
        try:
            moved = max(archiving.move_jobs(ctx.now()), archiving.move_entries(ctx.now()))
        finally:
            with suppress(LockError):  # it has expired
                lock.release()
        return BACKLOG_EVERY_S if moved >= PAGE else ctx.settings.sweep_every_s


class ArchiveStep(bootsteps.StartStopStep):
    """Runs the archiver in its own thread: a slow database must not block the sweep."""

    requires = ("celery.worker.components:Timer",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._archiver = Archiver(worker.app.context)
        with exit_on_config_error(), reachable():
            try:
                self._archiver.compare()
            except ArchiveUnavailableError as error:
                log.warning("archive_not_compared", why=str(error))

    def include_if(self, worker: Any) -> bool:
        """Leave it out where finished jobs are deleted."""
        return bool(worker.app.context.settings.archive)

    def start(self, worker: Any) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, args=(worker.app.context,), daemon=True)
        self._thread.start()

    def stop(self, worker: Any) -> None:
        """Stop moving jobs and wait for the thread."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def terminate(self, parent: Any) -> None:
        """Stop as well where the worker terminates at once."""
        self.stop(parent)

    def _run(self, ctx: Context) -> None:
        pause_s = ctx.settings.sweep_every_s
        while not self._stopped.wait(pause_s):
            try:
                pause_s = self._archiver.move()
            except (RedisError, ArchiveUnavailableError, ConfigError) as error:
                pause_s = RETRY_S
                log.warning("archiving_failed", error=type(error).__name__, why=str(error))
            except Exception:
                pause_s = RETRY_S
                log.exception("archiving_failed")
