"""When to poll or retry next: pure functions that return a pause in seconds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

FIRST_BACKOFF_S = 5.0
MAX_BACKOFF_S = 300.0


class NextPoll(NamedTuple):
    """The pause before the next poll, and whether every countdown has passed."""

    in_s: float
    overdue: bool


def countdowns_for(delivery: str, countdowns: Sequence[float]) -> Sequence[float]:
    """Return the countdowns of a job's polls, in seconds.

    Where a callback is expected, polling is the safety net: the first poll is left out if there
    are others.
    """
    if delivery == "poll" or len(countdowns) == 1:
        return countdowns
    first, second, *rest = countdowns
    return (first + second, *rest)


def put_first(first_s: float | None, countdowns: Sequence[float]) -> Sequence[float]:
    """Return the countdowns with one poll more, `first_s` after the start, if that is earlier."""
    if first_s is None or first_s >= countdowns[0]:
        return countdowns
    return (first_s, countdowns[0] - first_s, *countdowns[1:])


def next_poll(elapsed_s: float, countdowns: Sequence[float], tail_s: float) -> NextPoll:
    """Return the next poll, `elapsed_s` after the provider accepted the task.

    Each countdown counts from the poll before it: 60, 300, 900 means polls 60, 360 and 1260
    seconds after acceptance, then every `tail_s`. A late poll does not delay the others.
    """
    polls = list(accumulate(countdowns))
    done = bisect_right(polls, elapsed_s)
    if done < len(polls):
        return NextPoll(polls[done] - elapsed_s, overdue=False)
    late_s = elapsed_s - polls[-1]
    return NextPoll(tail_s - late_s % tail_s, overdue=True)


def backoff(attempt: int) -> float:
    """Return the pause after failure number `attempt`, from 1: 5 s, doubled up to five minutes."""
    return min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(attempt - 1, 10))
