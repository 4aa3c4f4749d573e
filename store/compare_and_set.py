"""Swap: one compare-and-set that changes a job, and with it all that depends on what it is."""

from __future__ import annotations

from itertools import chain

import redis

from ..config.queues import Queue
from ..config.redis import ScriptCall
from ..jobs.job import QUEUE_OF, Job
from . import keys
from .codec import dump
from .scripts import register_script
from .transition_effects import effects

# As far back as whoever follows the changes may have been away.
MAX_CHANGES = 10_000


class Swap:
    """The script behind every move."""

    def __init__(self, client: redis.Redis) -> None:
        self._script = register_script(client, "transition")

    def __call__(self, before: Job, after: Job) -> ScriptCall:
        """What changes the job, if it is still as it was before; answers 1, or 0 if it is not."""
        told, deadline = effects(before, after), after.deadline
        return ScriptCall(
            self._script,
            keys=[
                keys.record(before.id),
                keys.index(before.state),
                keys.index(after.state),
                keys.due(QUEUE_OF[before.state]),
                keys.due(QUEUE_OF[after.state]),
                keys.DEADLINES,
                keys.COUNTERS,
                keys.OPEN,
                keys.CHANGES,
                keys.batch(after.batch) if after.batch else "",
                keys.webhooks(after.id),
                keys.due(Queue.NOTIFY),
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
                told.opened,
                told.webhook,
                after.updated_at.timestamp(),
                *chain.from_iterable(told.counts.items()),
            ],
        )
