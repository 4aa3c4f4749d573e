"""The stream of job changes, read from Redis once per process and passed to its listeners."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, NamedTuple

import redis.asyncio

from ...config.logging import get_logger
from ...store import keys

log = get_logger(__name__)

# Below the connection's own timeout, or a quiet minute would look like a dead server.
BLOCK_MS = 1000
MAX_PER_READ = 500
PAUSE_S = 0.5
# Changes that follow each other this closely are read and sent together.
GATHER_S = 0.02
# Shorter than the idle timeout of proxies.
PING_EVERY_S = 15.0
# A listener further behind is disconnected, and resumes with `Last-Event-ID`.
MAX_BEHIND = 1000


class Change(NamedTuple):
    """A job that changed, and the state it entered or stays in."""

    id: str
    job: str
    state: str
    caller: str | None = None
    """Who submitted the job; None in entries of earlier versions, which only admins see."""

    def is_visible(self, submitted_by: str | None) -> bool:
        """Return whether this is a change of the caller's own job; None sees every change."""
        return submitted_by in (None, self.caller)


def parse_stream_id(stream_id: str) -> tuple[int, ...]:
    """Return a stream id in a form that can be compared; raises ValueError for a malformed one."""
    ms, _, number = stream_id.partition("-")
    return int(ms), int(number or 0)


class Changes:
    """The reader of the stream, and its listeners in this process."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client
        self._last_id = ""
        self._watchers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._followers: dict[asyncio.Queue[Change | None], str | None] = {}
        self.closing = False

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Read the stream in the background while the context lasts."""
        reader = asyncio.create_task(self._read_forever())
        try:
            yield
        finally:
            self.close()
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader
            await self._redis.aclose()

    def close(self) -> None:
        """Disconnect all listeners, because the process is about to stop."""
        self.closing = True
        self._wake_watchers()
        for follower in list(self._followers):
            self._disconnect(follower)

    @contextmanager
    def watching(self, job_id: str) -> Iterator[asyncio.Event]:
        """Return an event that is set when the job changes, or when a change may be missed."""
        event = asyncio.Event()
        self._watchers[job_id].add(event)
        try:
            yield event
        finally:
            self._watchers[job_id].discard(event)
            if not self._watchers[job_id]:
                del self._watchers[job_id]

    async def has_all_since(self, stream_id: str) -> bool:
        """Return whether the stream still holds every change after this one."""
        oldest: Any = await self._redis.xrange(keys.CHANGES, count=1)
        return not oldest or parse_stream_id(oldest[0][0].decode()) <= parse_stream_id(stream_id)

    async def follow(
        self,
        after: str | None,
        submitted_by: str | None = None,
        hung_up: asyncio.Task[None] | None = None,
    ) -> AsyncIterator[list[Change]]:
        """Yield the changes from now on, or those after a stream id as far as it reaches back.

        Those that came since the last time are together; none of them is an empty list, every
        PING_EVERY_S. With `submitted_by`, only changes of that caller's jobs. Ends when the
        listener is too slow, when `hung_up` is done, and when the process stops.
        """
        if self.closing:
            return
        follower: asyncio.Queue[Change | None] = asyncio.Queue(MAX_BEHIND)
        self._followers[follower] = submitted_by
        if hung_up:
            hung_up.add_done_callback(lambda _: self._disconnect(follower))
        try:
            seen = parse_stream_id(after) if after else (0, 0)
            async for page in self._read_since(after):
                seen = parse_stream_id(page[-1].id)
                yield [change for change in page if change.is_visible(submitted_by)]
            is_open = True
            while is_open:
                new = await _take_all(follower)
                is_open = None not in new and follower in self._followers
                yield [each for each in new if each and parse_stream_id(each.id) > seen]
        finally:
            self._followers.pop(follower, None)

    async def _read_since(self, after: str | None) -> AsyncIterator[list[Change]]:
        while after:
            page: Any = await self._redis.xrange(keys.CHANGES, f"({after}", "+", count=MAX_PER_READ)
            after = page[-1][0].decode() if page else None
            if changes := [change for entry in page if (change := _parse_entry(*entry))]:
                yield changes

    async def _read_forever(self) -> None:
        while not self.closing:
            try:
                await self._read_next()
                await asyncio.sleep(GATHER_S)
            except Exception as error:  # a reader that ended would leave every listener waiting
                log.warning("changes_not_read", error=type(error).__name__)
                await asyncio.sleep(PAUSE_S)
                # The stream may have dropped changes meanwhile: watchers read the records.
                self._wake_watchers()

    async def _read_next(self) -> None:
        if not self._last_id:
            newest: Any = await self._redis.xrevrange(keys.CHANGES, count=1)
            self._last_id = newest[0][0].decode() if newest else "0-0"
        streams: Any = await self._redis.xread(
            {keys.CHANGES: self._last_id}, count=MAX_PER_READ, block=BLOCK_MS
        )
        for _, entries in streams or ():
            for stream_id, fields in entries:
                self._last_id = stream_id.decode()
                if change := _parse_entry(stream_id, fields):
                    self._publish(change)

    def _publish(self, change: Change) -> None:
        for event in self._watchers.get(change.job, ()):
            event.set()
        for follower, submitted_by in list(self._followers.items()):
            if not change.is_visible(submitted_by):
                continue
            try:
                follower.put_nowait(change)
            except asyncio.QueueFull:
                self._disconnect(follower)

    def _wake_watchers(self) -> None:
        for events in self._watchers.values():
            for event in events:
                event.set()

    def _disconnect(self, follower: asyncio.Queue[Change | None]) -> None:
        self._followers.pop(follower, None)
        with suppress(asyncio.QueueFull):  # it ends once it has read its queue
            follower.put_nowait(None)


async def _take_all(follower: asyncio.Queue[Change | None]) -> list[Change | None]:
    """Wait for the next change, and return it with those that came after it."""
    taken: list[Change | None] = []
    with suppress(TimeoutError, asyncio.QueueEmpty):
        async with asyncio.timeout(PING_EVERY_S):
            taken.append(await follower.get())
        while True:
            taken.append(follower.get_nowait())
    return taken


def _parse_entry(stream_id: bytes, fields: dict[bytes, bytes]) -> Change | None:
    """Return the change in an entry; None if that is damaged."""
    try:
        caller = fields[b"caller"].decode() if b"caller" in fields else None
        return Change(
            stream_id.decode(), fields[b"job"].decode(), fields[b"state"].decode(), caller
        )
    except (KeyError, UnicodeDecodeError):
        return None
