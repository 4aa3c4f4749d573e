"""Notice that Redis has gone back: restored from an older file, it may have paid jobs queued again.

A number grows in Redis every minute, and is then written into the storage. A Redis whose number is
below that of the storage has forgotten what was done since.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

import redis

from ...config.durability import DurabilityPolicy
from ...config.logging import get_logger
from ...config.queues import Queue
from ...errors import NotDurableError
from ..durable_writes import DurableWrites
from ..keys import due
from ..submit.pauses import ALL, Pauses
from . import keys

log = get_logger(__name__)

ADVANCE_EVERY_S = 60
REASON = (
    "Redis is older than its storage, as after a restore: jobs that are queued may have been paid "
    "for since; read docs/operations.md, then `imagequeue resume all`"
)


class CountingStorage(Protocol):
    """A storage that keeps a number."""

    def read_progress(self) -> int:
        """Return the number; 0 if there is none. Raises StorageError."""

    def write_progress(self, number: int) -> None:
        """Replace the number; raises StorageError."""


class Progress:
    """Compares the number in Redis with that in the storage, and lets both grow.

    With the policy `memory` it does nothing: whoever chose that accepts that Redis goes back.
    """

    def __init__(self, client: redis.Redis, policy: DurabilityPolicy) -> None:
        self._redis = client
        self._accepts_loss = policy == "memory"
        self._writes = DurableWrites(client, policy)
        self._pauses = Pauses(client)

    def compare(self, storage: CountingStorage, now: datetime) -> None:
        """Pause all submissions once if Redis has gone back; raises StorageError, RedisError."""
        if self._accepts_loss:
            return
        in_storage = storage.read_progress()
        # Without any job that could be paid for again, it may be new. A number alone does not tell:
        # the file of an earlier release has none.
        if not self._redis.exists(due(Queue.SUBMIT)):
            self._redis.set(keys.PROGRESS, in_storage, nx=True)
        found: Any = self._redis.get(keys.PROGRESS)
        in_redis = int(found or 0)
        if in_redis < in_storage:
            log.critical("redis_went_back", number=in_redis, expected=in_storage)
            # Paused first: a process that dies here leaves the rest to the next one.
            self._pauses.pause(ALL, REASON, "imagequeue", now)
            self._redis.set(keys.PROGRESS, in_storage)
        elif self._redis.set(keys.PROGRESS_TURN, 1, nx=True, ex=ADVANCE_EVERY_S):
            self._advance(storage)

    def _advance(self, storage: CountingStorage) -> None:
        def increment(client: redis.Redis = self._redis) -> Any:
            return client.incr(keys.PROGRESS)

        try:
            # Only a number that Redis cannot lose may be in the storage.
            number = self._writes.run(increment, is_intent=True)
        except NotDurableError:
            return
        storage.write_progress(number)
