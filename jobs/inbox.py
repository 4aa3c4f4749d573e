"""Callbacks that arrived and were not read yet, kept raw and in order for each job."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import redis

from ..config.queues import Queue
from . import keys

# A provider sends a handful for each job; more than this is noise.
MOST_KEPT = 50


class Callback(NamedTuple):
    """One callback as it arrived: the body is untouched, the headers are those that sign it."""

    at: datetime
    headers: Mapping[str, str]
    body: bytes


class Inbox:
    """The callbacks of every job; a job with unread ones is due in the callback queue."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._keep = self._script("keep_callback")
        self._drop = self._script("drop_callbacks")

    def put(self, job_id: str, callback: Callback, wake_at: datetime) -> bool:
        """Keep a callback; False if the job has so many unread that this one was left out."""
        head = {"at": callback.at.timestamp(), "headers": dict(callback.headers)}
        entry = json.dumps(head).encode() + b"\n" + callback.body
        return bool(
            self._keep(
                keys=[keys.callbacks(job_id), keys.due(Queue.CALLBACK)],
                args=[job_id, entry, wake_at.timestamp(), MOST_KEPT],
            )
        )

    def unread(self, job_id: str) -> dict[bytes, Callback]:
        """A job's callbacks, oldest first, each under the entry that `drop` takes."""
        entries: Any = self._redis.lrange(keys.callbacks(job_id), 0, -1)
        return {entry: _parse(entry) for entry in entries}

    def drop(self, job_id: str, entries: Iterable[bytes]) -> None:
        """Forget callbacks of a job that were read."""
        self._drop(keys=[keys.callbacks(job_id), keys.due(Queue.CALLBACK)], args=[job_id, *entries])

    def set_aside(self, job_id: str, kept_s: float) -> None:
        """Take a job's callbacks out of the way of its reader, and keep them for a person."""
        with self._redis.pipeline() as pipe:
            pipe.rename(keys.callbacks(job_id), keys.aside(job_id))
            pipe.expire(keys.aside(job_id), round(kept_s))
            pipe.zrem(keys.due(Queue.CALLBACK), job_id)
            pipe.execute(raise_on_error=False)

    def _script(self, name: str) -> Any:
        return self._redis.register_script(Path(__file__).with_name(f"{name}.lua").read_text())


def _parse(entry: bytes) -> Callback:
    head, _, body = entry.partition(b"\n")
    fields = json.loads(head)
    return Callback(datetime.fromtimestamp(fields["at"], UTC), fields["headers"], body)
