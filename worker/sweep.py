"""The sweep inside every worker: it wakes due jobs, and needs no leader."""

from __future__ import annotations

import threading
from typing import Any

from celery import bootsteps

from ..config.logging import get_logger
from ..config.queues import Queue
from .context import Context

log = get_logger(__name__)


# While a queue cannot take all that is due, it is topped up before its workers run dry: a message
# keeps one of their threads busy for up to ten times as long.
BEHIND_EVERY_S = 0.2


def sweep(ctx: Context) -> bool:
    """Hint what is due and remove what was kept long enough; returns whether more is due."""
    has_more = False
    for queue in Queue:
        swept = ctx.dispatcher.sweep(queue, ctx.now())
        has_more |= swept.has_more
        if swept.dispatched:
            log.debug("woke", queue=queue, jobs=len(swept.dispatched))
    ctx.store.delete_expired(ctx.now())
    return has_more


class SweepStep(bootsteps.StartStopStep):
    """Runs the sweep in a thread of its own: a slow Redis must not hold up the worker's loop."""

    requires = ("celery.worker.components:Timer",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, worker: Any) -> None:
        """Begin to sweep."""
        context = worker.app.context
        self._thread = threading.Thread(target=self._run, args=(context,), daemon=True)
        self._thread.start()

    def stop(self, worker: Any) -> None:
        """Leave the due sets to the other workers."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def terminate(self, parent: Any) -> None:
        """Where a worker ends at once, its sweep must not go on without it."""
        self.stop(parent)

    def _run(self, ctx: Context) -> None:
        pause_s = ctx.settings.sweep_every_s
        while not self._over.wait(pause_s):
            pause_s = ctx.settings.sweep_every_s
            try:
                if sweep(ctx):
                    pause_s = min(pause_s, BEHIND_EVERY_S)
            except Exception:
                # Whatever it was, the due sets are in Redis, and keep: the sweep must not end.
                log.exception("sweep put off")
