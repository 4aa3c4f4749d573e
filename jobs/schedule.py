"""When to ask again: pure functions from what happened to a pause in seconds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

FIRST_BACKOFF_S = 5.0
MAX_BACKOFF_S = 300.0


class NextPoll(NamedTuple):
    """The pause before the next poll, and whether the countdowns are used up."""

    in_s: float
    overdue: bool


def countdowns_for(delivery: str, countdowns: Sequence[float]) -> Sequence[float]:
    """The countdowns of a job's polls, which by default are those of a job that is only polled.

    Where a callback is to come a poll is the safety net: the first is left out if there are more.
    """
    if delivery == "poll" or len(countdowns) == 1:
        return countdowns
    first, second, *rest = countdowns
    return (first + second, *rest)


def next_poll(elapsed_s: float, countdowns: Sequence[float], tail_s: float) -> NextPoll:
    """The poll after one that ran `elapsed_s` after the provider took the task.

    Each countdown counts from the poll before it: 60, 300, 900 means polls 60, 360 and 1260
    seconds after acceptance, then every `tail_s`. A poll that ran late does not shift the rest.
    """
    polls = list(accumulate(countdowns))
    done = bisect_right(polls, elapsed_s)
    if done < len(polls):
        return NextPoll(polls[done] - elapsed_s, overdue=False)
    late_s = elapsed_s - polls[-1]
    return NextPoll(tail_s - late_s % tail_s, overdue=True)


def backoff(attempt: int) -> float:
    """The pause after the `attempt`-th failure (from 1): 5 s, doubled up to five minutes."""
    return min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(attempt - 1, 10))
