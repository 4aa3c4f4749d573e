"""API keys: which are valid, how fast each may submit, what each has spent."""

from __future__ import annotations

from collections import defaultdict, deque

from starlette.requests import Request

from .clock import Clock

_WINDOW_S = 10


def bearer_key(request: Request) -> str | None:
    """Return the key of a request; None if it is missing or begins with `bad`."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key or key.startswith("bad"):
        return None
    return key


class Accounts:
    """The spending and the recent submissions of each key, by account."""

    def __init__(self, clock: Clock, credit: float) -> None:
        self._clock = clock
        self._credit = credit
        self._recent: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)
        self._spent: defaultdict[tuple[str, str], float] = defaultdict(int)

    def acquire(self, account: str, key: str, limit: int) -> bool:
        """Count one more submission; return False if that exceeds `limit` in 10 seconds."""
        recent = self._recent[account, key]
        now = self._clock.now()
        while recent and recent[0] <= now - _WINDOW_S:
            recent.popleft()
        if limit and len(recent) >= limit:
            return False
        recent.append(now)
        return True

    def charge(self, account: str, key: str, price: float) -> None:
        """Deduct the price of one task."""
        self._spent[account, key] += price

    def top_up(self, credit: float) -> None:
        """Add credit to every key."""
        self._credit += credit

    def balance(self, account: str, key: str) -> float:
        """Return the credit of a key; one that begins with `broke` has none."""
        return 0 if key.startswith("broke") else self._credit - self._spent[account, key]
