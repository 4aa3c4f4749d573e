"""Callbacks that were received and not processed yet, in order for each job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import redis

from ..config.queues import Queue
from ..jobs.callback import Callback, Outcome
from . import keys
from .quarantine import MAX_BYTES, MAX_ENTRIES
from .scripts import read_script, register_script

# A provider sends a handful of callbacks for each job; more than this are noise.
MAX_UNREAD = 50
STORE_CALLBACKS = read_script("store_callbacks")

StoreCall = tuple[list[str], list[Any]]
"""The keys and the arguments of STORE_CALLBACKS."""


def build_store_call(batch: Sequence[tuple[str, Callback]]) -> StoreCall:
    """Return the keys and arguments of STORE_CALLBACKS for pairs of a job id and a callback.

    The script returns, in order, 1 for each callback that is stored and 0 for each whose job has
    MAX_UNREAD of them already.
    """
    lists = [keys.callbacks(job_id) for job_id, _ in batch]
    entries = [
        part
        for job_id, callback in batch
        for part in (job_id, callback.at.timestamp(), callback.dump())
    ]
    return [keys.due(Queue.CALLBACK), *lists], [MAX_UNREAD, *entries]


class CallbackInbox:
    """The callbacks of every job; a job with unread ones is due in the callback queue."""

    def __init__(self, client: redis.Redis, quarantine_s: float) -> None:
        self._redis = client
        self._quarantine_s = round(quarantine_s)
        self._store = client.register_script(STORE_CALLBACKS)
        self._acknowledge = register_script(client, "acknowledge_callbacks")

    def put(self, job_id: str, callback: Callback) -> bool:
        """Store a callback, due at once; return False if the job has too many already."""
        stored: Any = self._store(*build_store_call([(job_id, callback)]))
        return bool(stored[0])

    def list_unread(self, job_id: str) -> dict[bytes, Callback]:
        """Return a job's callbacks, oldest first, each under the entry that `acknowledge` takes."""
        return {entry: Callback.load(entry) for entry in self.list_entries(job_id)}

    def list_entries(self, job_id: str) -> Sequence[bytes]:
        """Return the entries of a job's callbacks, oldest first, unreadable ones included."""
        entries: Any = self._redis.lrange(keys.callbacks(job_id), 0, -1)
        return tuple(entries)

    def acknowledge(self, job_id: str, outcomes: Mapping[bytes, Outcome]) -> None:
        """Remove processed callbacks, count their outcomes, and quarantine what was not applied."""
        processed = [
            part
            for entry, outcome in outcomes.items()
            for part in (entry, outcome.value, int(outcome.is_quarantined))
        ]
        self._acknowledge(
            keys=[
                keys.callbacks(job_id),
                keys.due(Queue.CALLBACK),
                keys.COUNTERS,
                keys.QUARANTINE,
                keys.QUARANTINE_BYTES,
            ],
            args=[job_id, self._quarantine_s, MAX_ENTRIES, MAX_BYTES, *processed],
        )
