"""Who has sent too many jobs, and how long to wait: one count for all API processes."""

from __future__ import annotations

import math

import redis

from ..errors import LimitError
from . import keys
from .api_keys import Limits
from .scripts import register_script

# Nobody knows when a job ends; a look this often costs nothing.
LOOK_AGAIN_S = 10
VERBS = {"per_minute": "send {} jobs a minute", "open_jobs": "have {} open jobs"}


class RateLimiter:
    """Holds callers to their limits."""

    def __init__(self, client: redis.Redis) -> None:
        self._admit = register_script(client, "acquire_rate_limit")

    def admit(self, caller: str, limits: Limits, jobs: int, now: float) -> None:
        """Count jobs that are about to be added; raises LimitError, and then counts none.

        Jobs that are admitted and refused afterwards stay counted for their minute.
        """
        if limits == Limits():
            return
        word, *rest = self._admit(
            keys=[keys.admitted(caller), keys.OPEN],
            args=[caller, jobs, math.floor(now), *limits],
        )
        if word != b"ok":
            raise _refused(word.decode(), limits, jobs, *rest)


def _refused(limit: str, limits: Limits, jobs: int, seconds: int) -> LimitError:
    most: int = getattr(limits, limit)
    allowed = f"this key may {VERBS[limit].format(most)}"
    if jobs > most:
        return LimitError(f"{allowed}, and {jobs} came at once: send fewer at a time")
    wait_s = seconds or LOOK_AGAIN_S
    return LimitError(f"{allowed}: try again in {wait_s} s", wait_s)
