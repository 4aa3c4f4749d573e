"""The sweep inside every worker: it wakes due jobs, and needs no leader."""

from __future__ import annotations

from typing import Any

from celery import bootsteps
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from ..config.logs import get_logger
from ..config.queues import Queue
from .context import Context

log = get_logger(__name__)


def sweep(ctx: Context) -> None:
    """Hint what is due, as far as the queues have room, and remove what has been kept enough."""
    for queue in Queue:
        hinted = ctx.due.sweep(queue, ctx.now(), ctx.settings.sweep_every_s)
        if hinted:
            log.debug("woke", queue=queue, jobs=len(hinted))
    ctx.store.forget_ended(ctx.now())


class SweepStep(bootsteps.StartStopStep):
    """Runs the sweep on the worker's own timer, whatever its pool."""

    requires = ("celery.worker.components:Timer",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._entry: Any = None

    def start(self, worker: Any) -> None:
        """Begin to sweep."""
        every_s = worker.app.context.settings.sweep_every_s
        self._entry = worker.timer.call_repeatedly(every_s, self._sweep, (worker.app.context,))

    def stop(self, worker: Any) -> None:
        """Leave the due sets to the other workers."""
        if self._entry is not None:
            self._entry.cancel()

    def _sweep(self, ctx: Context) -> None:
        try:
            sweep(ctx)
        except (OperationalError, RedisError, OSError) as error:
            # Redis is away for a moment; the due sets are in it, and keep.
            log.warning("sweep put off", error=type(error).__name__)
