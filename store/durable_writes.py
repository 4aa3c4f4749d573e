"""Writes that count only once they are as safe as IMAGEQUEUE_DURABILITY says."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import redis

from ..config.durability import DurabilityPolicy
from ..config.waits import REPLICAS_KEY, Waits
from ..errors import NotDurableError

WAIT_MS = 5000


class DurableWrites:
    """Runs scripts, and waits for the disk or replicas where the policy asks for that."""

    def __init__(self, client: redis.Redis, policy: DurabilityPolicy) -> None:
        self._redis = client
        self._policy = policy

    def run(self, script: Callable[..., Any], *, is_intent: bool) -> Any:
        """Run a script, and return its answer once what it wrote is safe.

        Raises NotDurableError if that takes too long: it is written, and may be lost again.
        """
        commands = self._waits.list_commands(is_intent=is_intent)
        if not commands:
            return script()
        # One pipeline, because a wait covers the writes of its own connection only.
        with self._redis.pipeline(transaction=False) as pipe:
            script(client=pipe)
            for command in commands:
                pipe.execute_command(*command)  # type: ignore[no-untyped-call]
            answer, *answers = pipe.execute()
        is_confirmed = self._waits.are_confirmed(answers)
        if news := self._waits.find_news():
            self._redis.set(REPLICAS_KEY, news)
        if answer and not is_confirmed:
            raise NotDurableError(
                "Redis has the write, but its disk or a replica did not confirm it in time: repeat "
                "the request with its idempotency key"
            )
        return answer

    @functools.cached_property
    def _waits(self) -> Waits:
        return Waits(self._redis, self._policy, WAIT_MS)
