"""Wait for jobs: one stream of events wakes up all who wait, and the jobs' records decide."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager

from .. import calls
from ..concurrency import AsyncBackground, AsyncSignal
from ..results import FINISHED, JobEvent
from .events import iter_events
from .results import AsyncJob, AsyncPage, attach
from .transport import AsyncTransport

OnUpdate = Callable[[AsyncJob], object]
# Without any event the records are read again after this time, then less and less often.
FIRST_LOOK_S = 1.0
MAX_LOOK_S = 15.0
NO_TIMEOUT_S = 10.0 * 365 * 86400


class Waiter:
    """One who waits, and the jobs that have changed since it looked last."""

    def __init__(self, job_ids: Iterable[str], *, all_changes: bool) -> None:
        self.pending = dict.fromkeys(job_ids)
        self.all_changes = all_changes
        self.signal = AsyncSignal()
        self._changed: set[str] = set()

    def notice(self, event: JobEvent) -> None:
        """Wake it up for a change that it waits for."""
        if self.all_changes or event.state in FINISHED:
            self._changed.add(event.job)
            self.signal.set()

    def look_at_all(self) -> None:
        """Wake it up for all its jobs: changes may have been missed."""
        self._changed.update(self.pending)
        self.signal.set()

    def take_changed(self) -> list[str]:
        """Return the pending jobs that have changed."""
        changed, self._changed = self._changed, set()
        return [job_id for job_id in self.pending if job_id in changed]


class AsyncWatch:
    """Follows the changes of all jobs while somebody waits for one."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self._waiters: dict[str, list[Waiter]] = {}
        self._lock = threading.Lock()  # never held while something is awaited
        self._reader: AsyncBackground | None = None
        self._is_closed = False

    async def as_completed(
        self, job_ids: Iterable[str], timeout_s: float | None, on_update: OnUpdate | None = None
    ) -> AsyncGenerator[AsyncJob]:
        """Yield each job once, as it finishes; raises TimeoutError."""
        deadline = time.monotonic() + (NO_TIMEOUT_S if timeout_s is None else timeout_s)
        waiter = Waiter(job_ids, all_changes=on_update is not None)
        states: dict[str, str] = {}
        look_s, changed = FIRST_LOOK_S, list(waiter.pending)
        with self._waiting(waiter):
            while True:
                for job in await self._read(changed, deadline - time.monotonic()):
                    if on_update and states.get(job.id) != job.state:
                        on_update(job)
                    states[job.id] = job.state
                    if job.is_finished:
                        with self._lock:
                            del waiter.pending[job.id]
                        yield job
                if not waiter.pending:
                    return
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise TimeoutError(_describe(waiter.pending, states, timeout_s))
                if await waiter.signal.wait(min(left_s, look_s)):
                    with self._lock:
                        look_s, changed = FIRST_LOOK_S, waiter.take_changed()
                else:
                    look_s, changed = min(MAX_LOOK_S, look_s * 2), list(waiter.pending)

    async def aclose(self) -> None:
        """Stop following."""
        self._is_closed = True
        self._transport.hang_up()
        if self._reader:
            await self._reader.stop()

    @contextmanager
    def _waiting(self, waiter: Waiter) -> Iterator[None]:
        job_ids = list(waiter.pending)
        with self._lock:
            for job_id in job_ids:
                self._waiters.setdefault(job_id, []).append(waiter)
            if not self._reader or not self._reader.is_running():
                self._reader = AsyncBackground(self._follow)
        try:
            yield
        finally:
            with self._lock:
                for job_id in job_ids:
                    self._waiters[job_id].remove(waiter)
                    if not self._waiters[job_id]:
                        del self._waiters[job_id]

    async def _follow(self) -> None:
        """Wake up those who wait, until nobody does."""
        is_first = True
        async with aclosing(iter_events(self._transport)) as events:
            async for event in events:
                with self._lock:
                    if not self._waiters or self._is_closed:
                        self._reader = None
                        return
                    self._wake_up(event, is_first=is_first)
                is_first = False

    def _wake_up(self, event: JobEvent | None, *, is_first: bool) -> None:
        if is_first or (event and event.lost):
            for waiters in self._waiters.values():
                for waiter in waiters:
                    waiter.look_at_all()
        if event:
            for waiter in self._waiters.get(event.job, ()):
                waiter.notice(event)

    async def _read(self, job_ids: list[str], left_s: float) -> list[AsyncJob]:
        """Return jobs as they are now; raises UnknownJobError for a missing one."""
        timeout_s = max(1.0, left_s)
        found: list[AsyncJob] = []
        if len(job_ids) > 1:
            for chunk in calls.chunk_ids(job_ids):
                page = await self._transport.fetch(calls.get_many(chunk), AsyncPage, timeout_s)
                found += page.jobs
        for job_id in sorted(set(job_ids) - {job.id for job in found}):
            found.append(await self._transport.fetch(calls.get(job_id), AsyncJob, timeout_s))
        return [attach(job, self._transport) for job in found]


def _describe(pending: Iterable[str], states: dict[str, str], timeout_s: float | None) -> str:
    first, *others = pending
    more = f", and {len(others)} more are not finished" if others else ""
    state = states.get(first, "not finished")
    return f"{first} is {state}{more} after {timeout_s:g} s; it goes on, so wait for it again"
