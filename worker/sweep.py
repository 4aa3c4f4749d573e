"""The sweep inside every worker: it dispatches due jobs, and needs no leader."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from celery import bootsteps
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from ..config.logging import get_logger
from ..config.process import exit_on_config_error
from ..config.queues import Queue
from ..errors import ConfigError
from ..store.deployment.processes import Heartbeat, ProcessKind
from .context import Context

log = get_logger(__name__)


# While more is due than a queue takes, it is filled this often, so that workers do not run idle.
# One message keeps a thread busy for up to 5 s.
BACKLOG_EVERY_S = 0.2
# Permits that come free one after the other are granted together.
MIN_PAUSE_S = 0.02
GREEN_POOLS = ("celery.concurrency.gevent", "celery.concurrency.eventlet")


def sweep(ctx: Context) -> float:
    """Dispatch due jobs, delete what has expired; return the seconds until the next sweep.

    The due sets are in Redis: after an error, the next sweep finds them unchanged.
    """
    pause_s = ctx.settings.sweep_every_s
    for queue in Queue:
        with _log_error(queue):  # one queue's error must not keep the others from their jobs
            swept = ctx.dispatcher.sweep(queue, ctx.now())
            if swept.has_more:
                pause_s = min(pause_s, BACKLOG_EVERY_S)
            if swept.next_at:
                until_s = (swept.next_at - ctx.now()).total_seconds()
                pause_s = min(pause_s, max(until_s, MIN_PAUSE_S))
            if swept.dispatched:
                log.debug("jobs_dispatched", queue=queue, jobs=len(swept.dispatched))
    if not ctx.settings.archive:
        with _log_error("expired"):
            ctx.store.deletion.delete_expired(ctx.now())
            ctx.store.deletion.trim_ledger()
    with _log_error("uploads"):
        if ctx.uploads.claim_expired(ctx.now()):
            ctx.dispatcher.send_delete_uploads()
    return pause_s


@contextmanager
def _log_error(part: str) -> Iterator[None]:
    try:
        yield
    except (RedisError, OperationalError) as error:
        log.warning("sweep_failed", part=part, error=type(error).__name__)
    except Exception:
        log.exception("sweep_failed", part=part)


def check_pool(pool: type) -> None:
    """Raise ConfigError for a pool of green threads: libcurl would block all of them at once."""
    if pool.__module__ in GREEN_POOLS:
        name = pool.__module__.rpartition(".")[2]
        raise ConfigError(f"the pool {name} is not supported: start the worker with `-P threads`")


class SweepStep(bootsteps.StartStopStep):
    """Runs the sweep in its own thread: a slow Redis must not block the worker's loop."""

    requires = ("celery.worker.components:Timer",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        with exit_on_config_error():
            check_pool(worker.pool_cls)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, worker: Any) -> None:
        """Start the thread."""
        context = worker.app.context
        queues = worker.app.amqp.queues.consume_from
        self._thread = threading.Thread(target=self._run, args=(context, queues), daemon=True)
        self._thread.start()

    def stop(self, worker: Any) -> None:
        """Stop sweeping and wait for the thread."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def terminate(self, parent: Any) -> None:
        """Stop as well where the worker terminates at once."""
        self.stop(parent)

    def _run(self, ctx: Context, queues: Collection[str]) -> None:
        heartbeat = Heartbeat(ctx.store.redis, ctx.settings, ProcessKind.WORKER)
        pause_s = ctx.settings.sweep_every_s
        try:
            while not self._stopped.wait(pause_s):
                with _log_error("heartbeat"):
                    heartbeat.beat(queues, ctx.storage_check.storage_id)
                pause_s = sweep(ctx)
        finally:
            if self._stopped.is_set():
                heartbeat.leave()
            else:
                # A worker without its sweep would look healthy: its supervisor starts another.
                log.critical("sweep_ended")
                os.kill(os.getpid(), signal.SIGTERM)
