"""When a request is sent again: only where that cannot do anything twice, and within its time."""

from __future__ import annotations

import random
import time

# The API, or a proxy before it, cannot answer for now.
UNAVAILABLE = frozenset({502, 503, 504})
LIMITED = 429
FIRST_PAUSE_S = 0.2
MAX_PAUSE_S = 8.0
READ_TIMEOUT_S = 30.0


class Retries:
    """The attempts of one call; the time before each, in the client's own queue, does not count."""

    def __init__(self, timeout_s: float, *, is_repeatable: bool) -> None:
        self._left_s = timeout_s
        self._deadline = 0.0
        self._is_repeatable = is_repeatable
        self._pause_s = FIRST_PAUSE_S

    def begin(self) -> float:
        """Begin an attempt, and return how long it may wait for bytes."""
        self._deadline = time.monotonic() + self._left_s
        return max(0.1, min(READ_TIMEOUT_S, self._left_s))

    def after_failure(self, *, was_sent: bool) -> float | None:
        """Return the pause before the next attempt, or None if there must be none."""
        return self._next() if self._is_repeatable or not was_sent else None

    def after_status(self, status: int, retry_after: str | None) -> float | None:
        """Return the pause before the next attempt; None for an answer that is final."""
        if status == LIMITED:
            # Without the header, waiting does not help: the request alone exceeds a limit.
            return self._next(parse_seconds(retry_after)) if retry_after else None
        if status in UNAVAILABLE and self._is_repeatable:
            return self._next(parse_seconds(retry_after))
        return None

    def _next(self, at_least_s: float | None = None) -> float | None:
        # Jitter only adds to what the server asks for.
        jitter_s = random.uniform(0.5, 1.0) * self._pause_s  # noqa: S311
        pause_s = (at_least_s or 0.0) + jitter_s
        self._pause_s = min(MAX_PAUSE_S, self._pause_s * 2)
        self._left_s = self._deadline - time.monotonic() - pause_s
        return pause_s if self._left_s > 0 else None


def parse_seconds(retry_after: str | None) -> float | None:
    """Return the seconds of a Retry-After header; None without one, or for a date."""
    try:
        return max(0.0, float(retry_after)) if retry_after else None
    except ValueError:
        return None
