"""When a call is repeated, as a function of its time."""

import pytest

from imagequeue.client import retries
from imagequeue.client.retries import Retries


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(retries, "time", made)
    return made


def test_attempts_and_pauses_count_and_the_queue_of_the_client_does_not(clock: Clock) -> None:
    call = Retries(20, is_repeatable=True)
    clock.now += 100  # other calls go first
    assert call.begin() == 20
    clock.now += 15
    pause_s = call.after_failure(was_sent=True)
    assert pause_s is not None
    clock.now += 100
    assert call.begin() == pytest.approx(5 - pause_s)
    clock.now += 5
    assert call.after_failure(was_sent=True) is None


def test_pauses_grow_up_to_a_bound(clock: Clock) -> None:
    call = Retries(1000, is_repeatable=True)
    call.begin()
    pauses = [call.after_status(503, None) for _ in range(12)]
    assert all(pause is not None and 0.1 <= pause <= 8 for pause in pauses)
    assert (pauses[0] or 0) <= 0.2
    assert (pauses[-1] or 0) >= 4


def test_pause_is_at_least_what_the_server_asks_for(clock: Clock) -> None:
    call = Retries(60, is_repeatable=True)
    call.begin()
    assert 30 < (call.after_status(429, "30") or 0) < 31
    call.begin()
    assert call.after_status(429, "30") is None  # beyond the time of the call
    assert call.after_status(429, None) is None
    assert call.after_status(404, "1") is None


def test_change_is_repeated_only_if_nothing_was_done(clock: Clock) -> None:
    call = Retries(60, is_repeatable=False)
    call.begin()
    assert call.after_failure(was_sent=True) is None
    assert call.after_status(503, "1") is None
    assert call.after_failure(was_sent=False) is not None
    assert call.after_status(429, "1") is not None
