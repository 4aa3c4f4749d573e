"""Every change of every job, read from Redis once a process and told to all who listen here."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, NamedTuple

import redis.asyncio
from redis.exceptions import RedisError

from ...config.logging import get_logger
from ...store import keys

log = get_logger(__name__)

# Below the connection's own deadline, or a quiet minute would look like a dead server.
BLOCK_MS = 1000
AT_ONCE = 500
PAUSE_S = 0.5
# Whoever reads slower than this much behind is let go, and comes back with `Last-Event-ID`.
MAX_BEHIND = 1000


class Change(NamedTuple):
    """A job that changed, and the state it entered or stays in."""

    id: str
    job: str
    state: str

    @property
    def place(self) -> tuple[int, ...]:
        """Its place in the stream."""
        return place(self.id)


def place(stream_id: str) -> tuple[int, ...]:
    """A stream id in a form that can be compared; raises ValueError for what is none."""
    ms, _, number = stream_id.partition("-")
    return int(ms), int(number or 0)


class Changes:
    """One reader of the stream, and those who listen to it."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client
        self._last = ""
        self._watchers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._followers: set[asyncio.Queue[Change | None]] = set()
        self.closing = False

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Read in the background, from now on and until the end."""
        reader = asyncio.create_task(self._read_on())
        try:
            yield
        finally:
            self.close()
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader
            await self._redis.aclose()

    def close(self) -> None:
        """Let everybody go who listens: the process is about to end."""
        self.closing = True
        self._wake_all()
        for follower in list(self._followers):
            self._let_go(follower)

    @contextmanager
    def watching(self, job_id: str) -> Iterator[asyncio.Event]:
        """An event that is set at each change of a job, and where one may have been missed."""
        event = asyncio.Event()
        self._watchers[job_id].add(event)
        try:
            yield event
        finally:
            self._watchers[job_id].discard(event)
            if not self._watchers[job_id]:
                del self._watchers[job_id]

    async def reaches(self, stream_id: str) -> bool:
        """Whether every change after this one is still kept."""
        oldest: Any = await self._redis.xrange(keys.CHANGES, count=1)
        return not oldest or place(oldest[0][0].decode()) <= place(stream_id)

    async def following(self, after: str | None) -> AsyncIterator[Change]:
        """Every change from now on, or after a place in the stream as far back as that reaches.

        Ends for a listener that is too slow, and when the process does.
        """
        if self.closing:
            return
        follower: asyncio.Queue[Change | None] = asyncio.Queue(MAX_BEHIND)
        self._followers.add(follower)
        try:
            seen = place(after) if after else (0, 0)
            async for change in self._since(after):
                seen = change.place
                yield change
            while (told := await follower.get()) is not None:
                if told.place > seen:
                    yield told
                if follower.empty() and follower not in self._followers:
                    return
        finally:
            self._followers.discard(follower)

    async def _since(self, after: str | None) -> AsyncIterator[Change]:
        while after:
            page: Any = await self._redis.xrange(keys.CHANGES, f"({after}", "+", count=AT_ONCE)
            after = None
            for entry in page:
                change = _change(*entry)
                yield change
                after = change.id

    async def _read_on(self) -> None:
        while not self.closing:
            try:
                await self._read()
            except (RedisError, OSError) as error:
                log.warning("changes not read", error=type(error).__name__)
                await asyncio.sleep(PAUSE_S)
                # The stream may have dropped meanwhile what they wait for: the records tell.
                self._wake_all()

    async def _read(self) -> None:
        if not self._last:
            newest: Any = await self._redis.xrevrange(keys.CHANGES, count=1)
            self._last = newest[0][0].decode() if newest else "0-0"
        answer: Any = await self._redis.xread(
            {keys.CHANGES: self._last}, count=AT_ONCE, block=BLOCK_MS
        )
        for _, entries in answer or ():
            for entry in entries:
                self._tell(_change(*entry))

    def _tell(self, change: Change) -> None:
        self._last = change.id
        for event in self._watchers.get(change.job, ()):
            event.set()
        for follower in list(self._followers):
            try:
                follower.put_nowait(change)
            except asyncio.QueueFull:
                self._let_go(follower)

    def _wake_all(self) -> None:
        for events in self._watchers.values():
            for event in events:
                event.set()

    def _let_go(self, follower: asyncio.Queue[Change | None]) -> None:
        self._followers.discard(follower)
        with suppress(asyncio.QueueFull):  # one that is full is not waited on
            follower.put_nowait(None)


def _change(stream_id: bytes, fields: dict[bytes, bytes]) -> Change:
    return Change(stream_id.decode(), fields[b"job"].decode(), fields[b"state"].decode())
