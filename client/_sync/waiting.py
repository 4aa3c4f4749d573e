# Written by `make client` from _async/waiting.py: change that one.
"""Wait for jobs: one stream of events wakes up all who wait, and the jobs' records decide."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager

from .. import calls
from ..concurrency import Background, Signal
from ..results import FINISHED, JobEvent, Notice
from .events import iter_events
from .results import Job, OnUpdate, Page, attach
from .transport import Transport

# The records are read again after this time, then less often, in case an event was missed.
FIRST_LOOK_S = 3.0
MAX_LOOK_S = 15.0
# While events, or the comments between them, come through.
MAX_ALIVE_LOOK_S = 60.0
EXTRA_LOOK_S_PER_JOB = 0.01
NO_TIMEOUT_S = 10.0 * 365 * 86400


class Waiter:
    """One who waits, and the jobs that have changed since it looked last."""

    def __init__(self, job_ids: Iterable[str], *, all_changes: bool) -> None:
        self.pending = dict.fromkeys(job_ids)
        self.all_changes = all_changes
        self.signal = Signal()
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


class Watch:
    """Follows the changes of all jobs while a caller waits for one."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._waiters: dict[str, list[Waiter]] = {}
        self._lock = threading.Lock()  # never held while something is awaited
        self._reader: Background | None = None
        self._is_closed = False
        self._is_alive = False

    def as_completed(
        self,
        job_ids: Iterable[str],
        timeout_s: float | None,
        on_update: OnUpdate | None = None,
        *,
        are_new: bool = False,
    ) -> Generator[Job]:
        """Yield each job once, as it finishes; raises TimeoutError. New ones are not read first."""
        deadline = time.monotonic() + (NO_TIMEOUT_S if timeout_s is None else timeout_s)
        waiter = Waiter(job_ids, all_changes=on_update is not None)
        states: dict[str, str] = {}
        changed = [] if are_new else list(waiter.pending)
        with self._waiting(waiter):
            look_s, look_at = FIRST_LOOK_S, time.monotonic() + FIRST_LOOK_S
            while True:
                for job in self.read(changed, deadline):
                    if on_update and states.get(job.id) != job.state:
                        on_update(job)
                    states[job.id] = job.state
                    if job.is_finished:
                        with self._lock:
                            del waiter.pending[job.id]
                        yield job
                if not waiter.pending:
                    return
                now = time.monotonic()
                if now >= deadline:
                    raise TimeoutError(_describe(waiter.pending, states, timeout_s))
                waiter.signal.wait(max(0.0, min(deadline, look_at) - now))
                with self._lock:
                    changed = waiter.take_changed()
                if time.monotonic() >= look_at:
                    changed = list(waiter.pending)
                    look_s = self._lengthen(look_s, len(changed))
                    look_at = time.monotonic() + look_s

    def close(self) -> None:
        """Stop following."""
        self._is_closed = True
        self._transport.hang_up()
        if self._reader:
            self._reader.stop()

    @contextmanager
    def _waiting(self, waiter: Waiter) -> Iterator[None]:
        job_ids = list(waiter.pending)
        with self._lock:
            for job_id in job_ids:
                self._waiters.setdefault(job_id, []).append(waiter)
            if not self._reader or not self._reader.is_running():
                self._reader = Background(self._follow)
        try:
            yield
        finally:
            with self._lock:
                for job_id in job_ids:
                    self._waiters[job_id].remove(waiter)
                    if not self._waiters[job_id]:
                        del self._waiters[job_id]

    def _follow(self) -> None:
        """Wake up those who wait, until nobody does."""
        is_first = True
        with closing(iter_events(self._transport)) as events:
            for event in events:
                with self._lock:
                    if not self._waiters or self._is_closed:
                        self._reader = None
                        return
                    if isinstance(event, JobEvent):
                        self._wake_up(event)
                    elif event is Notice.CONNECTED and is_first:
                        self._wake_up(JobEvent(lost=True))
                        is_first = False
                    # A proxy may hold back all that follows the head of a response.
                    self._is_alive = isinstance(event, JobEvent) or event is Notice.ALIVE

    def _wake_up(self, event: JobEvent) -> None:
        for waiter in self._waiters.get(event.job, ()):
            waiter.notice(event)
        if event.lost:
            for waiters in self._waiters.values():
                for waiter in waiters:
                    waiter.look_at_all()

    def _lengthen(self, look_s: float, jobs: int) -> float:
        longest_s = MAX_ALIVE_LOOK_S if self._is_alive else MAX_LOOK_S
        return min(longest_s, look_s * 1.5) + jobs * EXTRA_LOOK_S_PER_JOB

    def read(self, job_ids: list[str], deadline: float | None = None) -> Generator[Job]:
        """Yield jobs as they are now; raises UnknownJobError for a missing one."""
        for chunk in calls.split(job_ids, calls.MAX_IDS):
            found: set[str] = set()
            timeout_s = max(1.0, deadline - time.monotonic()) if deadline else None
            if len(chunk) > 1:
                page = self._transport.fetch(calls.get_many(chunk), Page, timeout_s)
                for job in page.jobs:
                    found.add(job.id)
                    yield attach(job, self._transport)
            for job_id in set(chunk) - found:
                job = self._transport.fetch(calls.get(job_id), Job, timeout_s)
                yield attach(job, self._transport)


def _describe(pending: Iterable[str], states: dict[str, str], timeout_s: float | None) -> str:
    first, *others = pending
    more = f", and {len(others)} more are not finished" if others else ""
    state = states.get(first, "not finished")
    return f"{first} is {state}{more} after {timeout_s:g} s; it goes on, so wait for it again"
