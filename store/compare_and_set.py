"""The compare-and-set that writes a job, and everything that must change with it."""

from __future__ import annotations

from itertools import chain
from typing import Any

import redis

from ..config.queues import Queue
from ..jobs.job import IN_FLIGHT, QUEUE_OF, Job, State
from . import keys
from .codec import dump
from .money import keys as money_keys
from .money.ledger_entries import dump_entries
from .scripts import register_script
from .submit.places import dump_place
from .transition_effects import describe_effects
from .webhooks import keys as webhook_keys

# Followers of the change stream can catch up with this many missed changes.
MAX_CHANGES = 10_000


class CompareAndSet:
    """Write a job only if its record is still the one that was read."""

    def __init__(self, client: redis.Redis) -> None:
        self._script = register_script(client, "transition")

    def __call__(self, before: Job, after: Job, client: Any = None) -> Any:
        """Return 1 if the job was written, 0 if its record has changed since `before`.

        With a pipeline as `client` the call is queued, and the pipeline returns the answer.
        """
        effects, deadline = describe_effects(before, after), after.deadline
        return self._script(
            keys=[
                keys.record(before.id),
                keys.due(QUEUE_OF[before.state]),
                keys.due(QUEUE_OF[after.state]),
                keys.DEADLINES,
                keys.COUNTERS,
                keys.OPEN_JOBS,
                keys.CHANGES,
                keys.batch(after.batch) if after.batch else "",
                webhook_keys.webhooks(after.id),
                keys.due(Queue.NOTIFY),
                keys.PLACES,
                keys.PERMITS,
                money_keys.RESERVED,
                *_ledger_keys(after),
                _made_key(before, after),
                keys.needed_by(after.id) if after.is_finished and not before.is_finished else "",
                keys.due(Queue.SUBMIT),
                *keys.indexes(before.state, before.submitted_by, before.provider),
                *keys.indexes(after.state, after.submitted_by, after.provider),
            ],
            args=[
                before.id,
                before.revision,
                dump(after),
                after.wake_at.timestamp(),
                round(deadline.timestamp(), 3) if deadline else "",
                before.state,
                after.state,
                MAX_CHANGES,
                after.submitted_by,
                effects.opened,
                effects.webhook,
                after.updated_at.timestamp(),
                dump_place(after) if after.state is State.QUEUED else "",
                int(after.state in IN_FLIGHT),
                _find_sent_at(before, after),
                dump_entries(before, after),
                *chain.from_iterable(effects.counts.items()),
            ],
            client=client,
        )


def _ledger_keys(job: Job) -> list[str]:
    day = f"{job.updated_at:%Y-%m-%d}"
    return [
        money_keys.LEDGER,
        money_keys.costs_of_day(day),
        money_keys.costs_of_batch(job.batch) if job.batch else "",
        money_keys.spent(day),
        money_keys.spent(day[:7]),
    ]


def _made_key(before: Job, after: Job) -> str:
    has_succeeded = after.state is State.SUCCEEDED and before.state is not State.SUCCEEDED
    return keys.made(after.fingerprint) if has_succeeded and after.fingerprint else ""


def _find_sent_at(before: Job, after: Job) -> float | str:
    """Return the latest time at which the provider counted the submission; "" for no change."""
    if after.state is State.SUBMITTING:
        return after.wake_at.timestamp()
    return after.updated_at.timestamp() if before.state is State.SUBMITTING else ""
