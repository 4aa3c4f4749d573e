"""The poll schedule and the backoff: pure functions."""

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagequeue.jobs.schedule import MAX_BACKOFF_S, backoff, countdowns_for, next_poll, put_first

COUNTDOWNS, TAIL_S = (60, 300, 900), 1800


@pytest.mark.parametrize(
    ("elapsed_s", "in_s", "overdue"),
    [
        (0, 60, False),
        (60, 300, False),
        (360, 900, False),
        (1260, 1800, True),
        (3060, 1800, True),
        # Late polls do not delay the others.
        (61.5, 298.5, False),
        (400, 860, False),
        (1300, 1760, True),
    ],
)
def test_the_default_schedule(elapsed_s: float, in_s: float, overdue: bool) -> None:
    assert next_poll(elapsed_s, COUNTDOWNS, TAIL_S) == (in_s, overdue)


@given(
    st.floats(0, 1e6), st.lists(st.floats(0.1, 1e4), min_size=1, max_size=5), st.floats(0.1, 1e4)
)
def test_next_poll_is_always_in_the_future(
    elapsed_s: float, countdowns: list[float], tail_s: float
) -> None:
    following = next_poll(elapsed_s, countdowns, tail_s)
    assert 0 < following.in_s <= max(*countdowns, tail_s) * (1 + 1e-9)
    assert following.overdue == (elapsed_s >= sum(countdowns)) or elapsed_s == pytest.approx(
        sum(countdowns)
    )


@given(st.lists(st.floats(0.1, 1e4), min_size=2, max_size=5))
def test_callback_delivery_skips_only_the_first_poll(
    countdowns: list[float],
) -> None:
    polls, fewer = (
        list(accumulate(countdowns_for(delivery, countdowns))) for delivery in ("poll", "callback")
    )
    assert polls == list(accumulate(countdowns))
    assert fewer == polls[1:]


@pytest.mark.parametrize(
    ("countdowns", "polls"),
    [((60, 300, 900), [360, 1260]), ((60, 300), [360]), ((60,), [60])],
)
def test_callback_delivery_has_at_least_one_poll(
    countdowns: tuple[float, ...], polls: list[float]
) -> None:
    assert list(accumulate(countdowns_for("callback", countdowns))) == polls


@pytest.mark.parametrize(
    ("first_s", "polls"),
    [
        (None, [60, 360, 1260]),
        (15, [15, 60, 360, 1260]),
        (60, [60, 360, 1260]),
        (90, [60, 360, 1260]),
    ],
)
def test_earlier_first_poll_moves_no_other(first_s: float | None, polls: list[float]) -> None:
    assert list(accumulate(put_first(first_s, COUNTDOWNS))) == polls


def test_backoff_grows_to_its_maximum() -> None:
    pauses = [backoff(attempt) for attempt in range(1, 40)]
    assert pauses[0] == 5
    assert all(a <= b for a, b in pairwise(pauses))
    assert pauses[-1] == MAX_BACKOFF_S
