"""Webhooks that were not delivered yet, in order for each job, and the dead letters."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import redis
from pydantic import Field, TypeAdapter

from ...config.queues import Queue
from ...errors import ImageQueueError, InvalidRequestError, Problem
from ...jobs.delivery import Delivery
from ...jobs.job import Job
from .. import keys
from ..scripts import register_script
from ..streams import EntryStream
from ..transition_effects import build_webhook_entry
from . import keys as webhook_keys
from .deliveries import MAX_DELIVERIES, dump_delivery

# Beyond this, the oldest dead letters are deleted.
MAX_DEAD = 1000
# Of what Python can write as a date.
MAX_TIME_S = 253_402_300_799


class UnknownWebhookError(ImageQueueError):
    """No dead letter has this id: it was replayed or deleted for newer ones."""


class Webhook(NamedTuple):
    """One webhook: `id` is the same for every attempt; `at` is when its age begins."""

    id: str
    at: Annotated[float, Field(ge=0, le=MAX_TIME_S)]
    url: str
    body: str
    caller: str = ""
    """Whose secret signs it; empty in entries of earlier versions."""

    @property
    def event(self) -> str:
        """Its type, such as `job.succeeded`; `unknown` if the body is damaged."""
        with suppress(ValueError, LookupError, TypeError):
            return str(json.loads(self.body)["type"])
        return "unknown"

    @classmethod
    def load(cls, entry: bytes) -> Webhook:
        """Parse an entry that `build_webhook_entry` made; raises ValueError."""
        fields = json.loads(entry)
        if not isinstance(fields, dict):
            raise ValueError("it is no object")
        # A newer version may have stored more.
        known = {name: fields[name] for name in cls._fields if name in fields}
        return _webhooks.validate_python(known)

    def dump(self) -> bytes:
        """Return the entry that is stored."""
        return json.dumps(self._asdict(), ensure_ascii=False, separators=(",", ":")).encode()


_webhooks = TypeAdapter(Webhook)


class DeadLetter(NamedTuple):
    """A webhook that was given up on."""

    id: str
    job_id: str
    event: str
    """Its type, such as `job.succeeded`."""
    webhook: Webhook


class WebhookOutbox:
    """The webhooks of every job; a job with unsent ones is due in the notify queue."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._dead_letters = EntryStream(client, webhook_keys.DEAD_WEBHOOKS, _parse_letter)
        self._acknowledge_script = register_script(client, "acknowledge_webhooks")
        self._replay = register_script(client, "replay_webhook")

    def list_unsent(self, job_id: str) -> Sequence[bytes]:
        """Return the entries of a job's webhooks, oldest first."""
        entries: Any = self._redis.lrange(webhook_keys.webhooks(job_id), 0, -1)
        return tuple(entries)

    def mark_delivered(
        self, job_id: str, entry: bytes, now: datetime, delivery: Delivery | None = None
    ) -> None:
        """Remove a webhook that was delivered and log its try; the next one is due now."""
        self._acknowledge(job_id, [entry], now, 0, delivery)

    def give_up_on(
        self,
        job_id: str,
        entries: Sequence[bytes],
        now: datetime,
        delivery: Delivery | None = None,
    ) -> None:
        """Turn some of a job's webhooks into dead letters; the next one is due now."""
        self._acknowledge(job_id, entries, now, MAX_DEAD, delivery)

    def log_failure(self, job_id: str, now: datetime, delivery: Delivery) -> None:
        """Log a try of a webhook that is tried again."""
        self._acknowledge(job_id, [], now, 0, delivery)

    def resend(self, jobs: Sequence[Job], now: datetime) -> list[Webhook]:
        """Send each job's current state as a new event, for all jobs or none.

        Raises InvalidRequestError if a job is not finished or has no webhook URL.
        """
        if problems := [problem for job in jobs if (problem := _find_problem(job))]:
            raise InvalidRequestError(problems)
        webhooks = [_build_new_event(job, now) for job in jobs]
        with self._redis.pipeline() as pipe:
            for job, webhook in zip(jobs, webhooks, strict=True):
                pipe.rpush(webhook_keys.webhooks(job.id), webhook.dump())
                pipe.zadd(keys.due(Queue.NOTIFY), {job.id: now.timestamp()})
            pipe.execute()
        return webhooks

    def iter_dead_letters(self) -> Iterator[DeadLetter]:
        """Yield every dead letter that can be read, newest first."""
        return iter(self._dead_letters)

    def list_unreadable(self) -> dict[str, str]:
        """Return the ids of the dead letters that cannot be read, and why."""
        return self._dead_letters.list_unreadable()

    def replay(self, letter_id: str, now: datetime) -> str:
        """Send a dead letter again, under its own id; return its job's id.

        Raises UnknownWebhookError if there is no such dead letter, or UnreadableRecordError.
        """
        if letter := self._dead_letters.find(letter_id):
            # With its old age it would be given up on at the first failure.
            again = letter.webhook._replace(at=now.timestamp())
            lists = [webhook_keys.webhooks(letter.job_id), keys.due(Queue.NOTIFY)]
            args = [letter_id, letter.job_id, now.timestamp(), again.dump()]
            if self._replay(keys=[webhook_keys.DEAD_WEBHOOKS, *lists], args=args):
                return letter.job_id
        raise UnknownWebhookError(f"no dead letter {letter_id}; `webhooks list` shows all")

    def _acknowledge(
        self,
        job_id: str,
        entries: Sequence[bytes],
        now: datetime,
        max_dead: int,
        delivery: Delivery | None,
    ) -> None:
        self._acknowledge_script(
            keys=[
                webhook_keys.webhooks(job_id),
                keys.due(Queue.NOTIFY),
                webhook_keys.DEAD_WEBHOOKS,
                webhook_keys.deliveries(job_id),
                keys.record(job_id),
            ],
            args=[
                job_id,
                now.timestamp(),
                max_dead,
                dump_delivery(delivery),
                MAX_DELIVERIES,
                *entries,
            ],
        )


def _find_problem(job: Job) -> Problem | None:
    if not job.webhook_url:
        return Problem(job.id, "has no webhook_url: submit it with one")
    if not job.is_finished:
        return Problem(job.id, f"is {job.state}: its webhook is sent when it finishes")
    return None


def _build_new_event(job: Job, now: datetime) -> Webhook:
    """Build an event with a new id: under the first one, a receiver would ignore it as repeated."""
    entry = build_webhook_entry(job.evolve(job.wake_at))
    return Webhook.load(entry)._replace(at=now.timestamp())


def _parse_letter(letter_id: str, fields: dict[bytes, bytes]) -> DeadLetter:
    webhook = Webhook.load(fields[b"entry"])
    event = json.loads(webhook.body)["type"]
    return DeadLetter(letter_id, fields[b"job"].decode(), str(event), webhook)
