"""Callbacks that were not read yet, kept raw and in order for each job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import redis

from ..config.queues import Queue
from ..jobs.callback import Callback, Outcome
from . import keys
from .quarantine import MAX_BYTES, MAX_ENTRIES
from .scripts import read_script

# A provider sends a handful for each job; more than this is noise.
MAX_KEPT = 50
KEEP = read_script("store_callbacks")
FILE = read_script("acknowledge_callbacks")


def keep_call(batch: Sequence[tuple[str, Callback]]) -> tuple[list[str], list[Any]]:
    """Keys and arguments of KEEP, which answers 1 for each callback that is kept, in order.

    It is 0 where a job has so many unread ones that this one was left out.
    """
    lists = [keys.callbacks(job_id) for job_id, _ in batch]
    entries = [
        part
        for job_id, callback in batch
        for part in (job_id, callback.at.timestamp(), callback.dump())
    ]
    return [keys.due(Queue.CALLBACK), *lists], [MAX_KEPT, *entries]


class Inbox:
    """The callbacks of every job; a job with unread ones is due in the callback queue."""

    def __init__(self, client: redis.Redis, kept_s: float) -> None:
        self._redis = client
        self._kept_s = round(kept_s)
        self._keep = client.register_script(KEEP)
        self._file = client.register_script(FILE)

    def put(self, job_id: str, callback: Callback) -> bool:
        """Keep a callback, due at once; False if it was left out."""
        kept: Any = self._keep(*keep_call([(job_id, callback)]))
        return bool(kept[0])

    def unread(self, job_id: str) -> dict[bytes, Callback]:
        """A job's callbacks, oldest first, each under the entry that `file` takes."""
        entries: Any = self._redis.lrange(keys.callbacks(job_id), 0, -1)
        return {entry: Callback.load(entry) for entry in entries}

    def acknowledge(self, job_id: str, outcomes: Mapping[bytes, Outcome]) -> None:
        """Take callbacks that were read off their job, count them, keep what is not used up."""
        filed = [
            part
            for entry, outcome in outcomes.items()
            for part in (entry, outcome.value, "" if outcome.is_used_up else "kept")
        ]
        self._file(
            keys=[
                keys.callbacks(job_id),
                keys.due(Queue.CALLBACK),
                keys.COUNTERS,
                keys.QUARANTINE,
                keys.QUARANTINE_BYTES,
            ],
            args=[job_id, self._kept_s, MAX_ENTRIES, MAX_BYTES, *filed],
        )
