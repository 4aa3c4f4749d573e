"""The quarantine: genuine callbacks that could not be applied, stored for inspection and replay."""

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
from .streams import EntryStream

# Beyond either limit, the oldest entries are deleted.
MAX_ENTRIES = 1000
MAX_BYTES = 64 * 1024 * 1024


class QuarantinedCallback(NamedTuple):
    """One callback in the quarantine, and why it is there."""

    id: str
    job_id: str
    reason: Outcome
    callback: Callback


class Quarantine:
    """The callbacks that `CallbackInbox.acknowledge` put aside, newest first."""

    def __init__(self, client: redis.Redis) -> None:
        self._entries = EntryStream(client, keys.QUARANTINE, _parse_entry)
        self._replay = register_script(client, "replay_callback")

    def __iter__(self) -> Iterator[QuarantinedCallback]:
        """Yield every quarantined callback that can be read, newest first."""
        return iter(self._entries)

    def list_unreadable(self) -> dict[str, str]:
        """Return the ids of the others, and why they cannot be read."""
        return self._entries.list_unreadable()

    def replay(self, entry_id: str, now: datetime) -> str:
        """Make a callback unread again, due at once; return its job's id.

        Raises UnknownCallbackError if it is not in the quarantine, or UnreadableRecordError.
        """
        if found := self._entries.find(entry_id):
            job_id = found.job_id
            inbox = [keys.callbacks(job_id), keys.due(Queue.CALLBACK)]
            if self._replay(
                keys=[keys.QUARANTINE, keys.QUARANTINE_BYTES, *inbox],
                args=[entry_id, job_id, now.timestamp()],
            ):
                return job_id
        raise UnknownCallbackError(
            f"no callback {entry_id} is quarantined; `callbacks list` shows all"
        )


def _parse_entry(entry_id: str, fields: dict[bytes, bytes]) -> QuarantinedCallback:
    job_id, reason = fields[b"job"].decode(), Outcome(fields[b"reason"].decode())
    return QuarantinedCallback(entry_id, job_id, reason, Callback.load(fields[b"entry"]))
