"""Callbacks that came with a good URL and changed nothing: kept for a person, up to a bound."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import redis

from ..config.queues import Queue
from ..errors import UnknownCallbackError
from ..jobs.callback import Callback, Outcome
from . import keys
from .scripts import register_script
from .streams import find, newest_first

# Whatever is beyond these, the oldest make room.
MAX_ENTRIES = 1000
MAX_BYTES = 64 * 1024 * 1024


class QuarantinedCallback(NamedTuple):
    """One callback in the quarantine, and why it is there."""

    id: str
    job_id: str
    reason: Outcome
    callback: Callback


class Quarantine:
    """What `Inbox.file` found no use for; the oldest go first."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._replay = register_script(client, "replay_callback")

    def __iter__(self) -> Iterator[QuarantinedCallback]:
        """Every callback kept, newest first."""
        return (_kept(*entry) for entry in newest_first(self._redis, keys.QUARANTINE))

    def replay(self, entry_id: str, now: datetime) -> str:
        """Put a callback back before its reader; returns its job's id.

        Raises UnknownCallbackError if it is not there (any more).
        """
        if found := find(self._redis, keys.QUARANTINE, entry_id):
            job_id = _kept(*found).job_id
            lists = [keys.callbacks(job_id), keys.due(Queue.CALLBACK)]
            if self._replay(
                keys=[keys.QUARANTINE, keys.QUARANTINE_BYTES, *lists],
                args=[entry_id, job_id, now.timestamp()],
            ):
                return job_id
        raise UnknownCallbackError(f"no callback {entry_id} is kept; `callbacks list` shows all")


def _kept(entry_id: bytes, fields: dict[bytes, bytes]) -> QuarantinedCallback:
    job_id, reason = fields[b"job"].decode(), Outcome(fields[b"reason"].decode())
    return QuarantinedCallback(entry_id.decode(), job_id, reason, Callback.load(fields[b"entry"]))
