"""Writes that count only once they are as safe as IMAGEQUEUE_DURABILITY says."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import redis

from ..config.durability import (
    DurabilityPolicy,
    Wait,
    are_confirmed,
    get_durability,
    list_waits,
)
from ..errors import NotDurableError

WAIT_MS = 5000


class DurableWrites:
    """Runs scripts, and waits for the disk or a replica where the policy asks for that."""

    def __init__(self, client: redis.Redis, policy: DurabilityPolicy) -> None:
        self._redis = client
        self._policy = policy

    def run(self, script: Callable[..., Any], *, is_intent: bool) -> Any:
        """Run a script, and return its answer once what it wrote is safe.

        Raises NotDurableError if that takes too long: it is written, and may be lost again.
        """
        waits = self._of_intents if is_intent else self._of_others
        if not waits:
            return script()
        # One pipeline, because a wait covers the writes of its own connection only.
        with self._redis.pipeline(transaction=False) as pipe:
            script(client=pipe)
            for wait in waits:
                pipe.execute_command(*wait)  # type: ignore[no-untyped-call]
            answer, *answers = pipe.execute()
        if answer and not are_confirmed(answers):
            raise NotDurableError(
                "Redis has the write, but its disk or a replica did not confirm it in time: repeat "
                "the request with its idempotency key"
            )
        return answer

    @functools.cached_property
    def _of_intents(self) -> Sequence[Wait]:
        return self._list_waits(is_intent=True)

    @functools.cached_property
    def _of_others(self) -> Sequence[Wait]:
        return self._list_waits(is_intent=False)

    def _list_waits(self, *, is_intent: bool) -> Sequence[Wait]:
        durability = get_durability(self._redis)
        return list_waits(durability, self._policy, WAIT_MS, is_intent=is_intent)
