"""Turns: one step of one job in a worker, counted from its begin to its end.

What kills its workers would go round for ever: its turns are counted until one comes to an end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import redis
from redis.exceptions import ResponseError

from ..config.queues import Queue
from ..config.redis import ScriptCall
from ..errors import UnknownJobError
from ..jobs.job import Job
from . import keys
from .codec import load
from .scripts import register_script


class Turn(NamedTuple):
    """A job whose turn it is, and how often its step was begun without an end, now included."""

    job_id: str
    starts: int
    record: bytes | None

    @property
    def job(self) -> Job:
        """The job as it was when its turn began; raises UnknownJobError if it is gone."""
        if self.record is None:
            raise UnknownJobError(f"no job {self.job_id}")
        return load(self.record)


class Ending:
    """The end of a turn, and the question whose turn is next.

    The turn's last move takes them along, so that nobody waits for Redis once more.
    """

    def __init__(self, ask: Callable[[], ScriptCall | None]) -> None:
        self._ask = ask
        self.answer: Any = None
        """What Redis answered; None as long as it did not."""

    def call(self) -> ScriptCall | None:
        """What is to be asked; None if it was, or if this worker takes no other turn."""
        return self._ask() if self.answer is None else None

    def answered(self, answer: Any) -> None:
        """Keep the answer; after an error, it is asked again when the turn is over."""
        if not isinstance(answer, ResponseError):
            self.answer = answer


class _Own(threading.local):
    ending: Ending | None = None


class Turns:
    """The turns that were begun; an ended one, whatever came of it, is forgotten."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._own = _Own()
        self._begin = register_script(client, "start_step")

    def begin(self, job_id: str, stage: Queue) -> Turn:
        """Begin the turn of a job that a message names."""
        begun: Any = self._begin(
            keys=[keys.STARTS, keys.record(job_id)], args=[f"{job_id}.{stage}"]
        )
        return Turn(job_id, *begun)

    @property
    def ending(self) -> Ending | None:
        """The end of this thread's turn."""
        return self._own.ending

    @ending.setter
    def ending(self, ending: Ending | None) -> None:
        self._own.ending = ending

    def end(self, job_id: str, stage: Queue) -> None:
        """Forget the count: the step came to an end of its own."""
        self._redis.hdel(keys.STARTS, f"{job_id}.{stage}")
