"""Requests that come without an idempotency key: which of several equal ones repeats which.

Equal requests can stand for each other, so each job goes to one of them, whichever asks first.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import redis

from ...jobs.idempotency import IdempotencyKey
from .. import keys
from ..jobs import IDEMPOTENCY_KEY_TTL_S
from ..scripts import register_script
from .reuse import find_by_keys


class Repeatable(NamedTuple):
    """What equal requests have in common."""

    key: str
    """The start of the idempotency key of each; it begins with the quoted name of the caller."""
    digest: str
    suffix: str = ""
    """What follows the number in the idempotency key of the first job."""

    def to_key(self, number: int) -> IdempotencyKey:
        """Return the idempotency key under a number."""
        return IdempotencyKey(f"{self.key}{number}", self.digest)


class Repeats:
    """Numbers of equal requests; the job under each is stored with its idempotency key."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._claim = register_script(client, "claim_repeat")
        self._answer = register_script(client, "answer_repeat")

    def claim(
        self, request: Repeatable, now: datetime, *, is_new: bool, window_s: float = 0
    ) -> int:
        """Return the number of a request: a new one, or that of one that it may repeat.

        That is one that nobody was answered with, or else the last of the window.
        """
        names = [*keys.repeats(request.key), keys.idempotency_key(request.key)]
        args = [int(is_new), now.timestamp(), window_s, IDEMPOTENCY_KEY_TTL_S, request.suffix]
        return int(self._claim(keys=names, args=args))

    def answer(self, request: Repeatable, number: int, now: datetime) -> int:
        """Note that a request gets the job under a number as its answer, and return the number.

        If another request got that one, return the number of a job that nobody got, if there is
        one: nothing is noted of it yet.
        """
        open_, answered, _ = keys.repeats(request.key)
        args = [number, now.timestamp(), IDEMPOTENCY_KEY_TTL_S, request.suffix]
        names = [open_, answered, keys.idempotency_key(request.key)]
        return int(self._answer(keys=names, args=args))

    def find_id(self, request: Repeatable, number: int) -> str | None:
        """Return the id of the job, or of the batch, under a number."""
        key = request.to_key(number)
        if request.suffix:
            key = IdempotencyKey(f"{key.key}/batch", key.digest)
        return find_by_keys(self._redis, [key])[0]

    def forget(self, request: Repeatable, number: int) -> None:
        """Forget a number whose request was refused, unless a job is stored under it."""
        first = keys.idempotency_key(f"{request.key}{number}{request.suffix}")
        if not self._redis.exists(first):
            self._redis.zrem(keys.repeats(request.key)[0], number)
