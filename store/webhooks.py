"""Webhooks that were not taken yet, in order for each job, and those that nobody took in time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import redis

from ..config.queues import Queue
from ..errors import ImageQueueError, InvalidRequestError, Problem
from ..jobs.job import Job
from . import keys
from .scripts import register_script
from .streams import find, newest_first
from .transition_effects import webhook_of

# Beyond this, the oldest make room.
MAX_DEAD = 1000


class UnknownWebhookError(ImageQueueError):
    """No dead letter has this id; it was replayed, or made room for newer ones."""


class Webhook(NamedTuple):
    """One webhook: the id is the event's, whichever try this is; `at` is when its age begins."""

    id: str
    at: float
    url: str
    body: str

    @classmethod
    def load(cls, entry: bytes) -> Webhook:
        """The webhook of an entry, which `effects.webhook_of` made."""
        fields = json.loads(entry)
        return cls(*(fields[name] for name in cls._fields))

    def dump(self) -> bytes:
        """The entry that is kept."""
        return json.dumps(self._asdict(), ensure_ascii=False, separators=(",", ":")).encode()


class DeadLetter(NamedTuple):
    """A webhook that was given up."""

    id: str
    job_id: str
    webhook: Webhook


class Outbox:
    """The webhooks of every job; a job with unsent ones is due in the notify queue."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._end = register_script(client, "acknowledge_webhooks")
        self._replay = register_script(client, "replay_webhook")

    def unsent(self, job_id: str) -> Sequence[bytes]:
        """The entries of a job's webhooks, oldest first."""
        entries: Any = self._redis.lrange(keys.webhooks(job_id), 0, -1)
        return tuple(entries)

    def delivered(self, job_id: str, entry: bytes, now: datetime) -> None:
        """Remove a webhook that its receiver took; the next one is due now."""
        self._ended(job_id, [entry], now, most_dead=0)

    def give_up_on(self, job_id: str, entries: Sequence[bytes], now: datetime) -> None:
        """Make dead letters of some of a job's webhooks; the next one is due now."""
        self._ended(job_id, entries, now, MAX_DEAD)

    def resend(self, jobs: Sequence[Job], now: datetime) -> list[Webhook]:
        """Tell of jobs as they are now, all or none, each in an event of its own.

        Raises InvalidRequestError if one has not come to rest, or names nobody to tell.
        """
        if problems := [problem for job in jobs if (problem := _untold(job))]:
            raise InvalidRequestError(problems)
        webhooks = [_fresh(job, now) for job in jobs]
        with self._redis.pipeline() as pipe:
            for job, webhook in zip(jobs, webhooks, strict=True):
                pipe.rpush(keys.webhooks(job.id), webhook.dump())
                pipe.zadd(keys.due(Queue.NOTIFY), {job.id: now.timestamp()})
            pipe.execute()
        return webhooks

    def dead(self) -> Iterator[DeadLetter]:
        """Every dead letter, newest first."""
        return (_letter(*entry) for entry in newest_first(self._redis, keys.DEAD_WEBHOOKS))

    def replay(self, letter_id: str, now: datetime) -> str:
        """Have a dead letter sent once more, under its own id; returns its job's id.

        Raises UnknownWebhookError if it is not there (any more).
        """
        if found := find(self._redis, keys.DEAD_WEBHOOKS, letter_id):
            letter = _letter(*found)
            # As old as it is, it would be given up again at the first refusal.
            again = letter.webhook._replace(at=now.timestamp())
            lists = [keys.webhooks(letter.job_id), keys.due(Queue.NOTIFY)]
            args = [letter_id, letter.job_id, now.timestamp(), again.dump()]
            if self._replay(keys=[keys.DEAD_WEBHOOKS, *lists], args=args):
                return letter.job_id
        raise UnknownWebhookError(f"no dead letter {letter_id}; `webhooks list` shows all")

    def _ended(self, job_id: str, entries: Sequence[bytes], now: datetime, most_dead: int) -> None:
        self._end(
            keys=[keys.webhooks(job_id), keys.due(Queue.NOTIFY), keys.DEAD_WEBHOOKS],
            args=[job_id, now.timestamp(), most_dead, *entries],
        )


def _untold(job: Job) -> Problem | None:
    if not job.webhook_url:
        return Problem(job.id, "has no webhook_url: nobody is to be told")
    if not job.is_finished:
        return Problem(job.id, f"is {job.state}: its webhook is sent when it comes to rest")
    return None


def _fresh(job: Job, now: datetime) -> Webhook:
    """An event of its own: under the id of the first, a receiver would take it for a double."""
    entry = webhook_of(job.evolve(job.wake_at))
    return Webhook.load(entry)._replace(at=now.timestamp())


def _letter(letter_id: bytes, fields: dict[bytes, bytes]) -> DeadLetter:
    webhook = Webhook.load(fields[b"entry"])
    return DeadLetter(letter_id.decode(), fields[b"job"].decode(), webhook)
