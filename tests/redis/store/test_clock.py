"""The clock of Redis decides over jobs, not that of the machine a process runs on."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from imagequeue.config.celery import make_celery
from imagequeue.config.redis import connect
from imagequeue.config.settings import Settings
from imagequeue.errors import LimitError
from imagequeue.jobs.job import State, add_seconds
from imagequeue.producer.api.access import Access, Caller
from imagequeue.producer.client import LocalClient
from imagequeue.store import clock as clock_module
from imagequeue.store import keys
from imagequeue.store.callers.api_keys import Limits
from imagequeue.store.clock import MAX_CLOCK_SKEW_S, REFRESH_S, RedisClock
from imagequeue.worker.context import open_context
from imagequeue.worker.sweep import sweep
from support.jobs import move, queued

REAL = time.time
AHEAD_S = {"40 days ahead": 40 * 86400.0, "2 hours behind": -7200.0}


class Redis:
    """A Redis of which a test sets the time and the state."""

    def __init__(self) -> None:
        self.time_s = 1_800_000_000.0
        self.is_down = False

    def time(self) -> tuple[int, int]:
        if self.is_down:
            raise RedisConnectionError
        return int(self.time_s), 500_000


def shift_clock(monkeypatch: pytest.MonkeyPatch, ahead_s: float) -> None:
    """Set the clock of this machine wrong, as far as this process can tell."""

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime.fromtimestamp(REAL() + ahead_s, UTC)

    monkeypatch.setattr("imagequeue.jobs.job.datetime", Shifted)
    monkeypatch.setattr(time, "time", lambda: REAL() + ahead_s)


def is_true_time(at: datetime) -> bool:
    return abs(at.timestamp() - REAL()) < 60


@pytest.mark.parametrize("ahead_s", AHEAD_S.values(), ids=AHEAD_S)
def test_wrong_clock_ends_no_job(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, ahead_s: float
) -> None:
    with make_celery(settings) as celery:
        ctx = open_context(settings, celery)
        finished, open_job = queued(ctx), queued(ctx)
        job = ctx.store.get(finished)
        over = add_seconds(ctx.now(), settings.retention_s)
        ctx.store.transition(job, lambda j: j.transition_to(State.CANCELLED, "", ctx.now(), over))
        move(ctx, open_job, State.SUBMITTING, State.UNCONFIRMED)
        later = add_seconds(ctx.now(), settings.unconfirmed_after_s)
        ctx.store.redis.zadd(keys.due("poll"), {open_job: later.timestamp()})

        shift_clock(monkeypatch, ahead_s)
        wrong = open_context(settings, celery)
        sweep(wrong)
        assert is_true_time(wrong.now())
        assert wrong.store.get(finished).state is State.CANCELLED
        assert wrong.store.redis.zscore(keys.due("poll"), open_job) == later.timestamp()
        created = LocalClient(settings).submit("acedata-flux", "a cat", delivery="poll")
        assert is_true_time(created.created_at)
        assert is_true_time(created.wake_at)


@pytest.mark.parametrize("ahead_s", AHEAD_S.values(), ids=AHEAD_S)
def test_wrong_clock_lifts_no_rate_limit(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, ahead_s: float
) -> None:
    shop = Caller("shop", Limits(per_minute=1))
    Access(settings, connect(settings)).acquire(shop, 1)
    shift_clock(monkeypatch, ahead_s)
    with pytest.raises(LimitError) as refused:
        Access(settings, connect(settings)).acquire(shop, 1)
    assert 0 < (refused.value.retry_after_s or 0) <= 61


def test_time_goes_on_between_answers_and_follows_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    server, monotonic = Redis(), [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: monotonic[0])
    now = RedisClock(server)  # type: ignore[arg-type]
    first = now()
    assert first == datetime.fromtimestamp(1_800_000_000.5, UTC)
    server.time_s += 500
    monotonic[0] += 5
    assert now() == first + timedelta(seconds=5)
    monotonic[0] += REFRESH_S
    assert now() == first + timedelta(seconds=500)


def test_time_goes_on_while_redis_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    server, monotonic = Redis(), [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: monotonic[0])
    now = RedisClock(server)  # type: ignore[arg-type]
    first = now()
    server.is_down = True
    monotonic[0] += 2 * REFRESH_S
    assert now() == first + timedelta(seconds=2 * REFRESH_S)
    with pytest.raises(RedisConnectionError):
        RedisClock(server)()  # type: ignore[arg-type]


@pytest.mark.parametrize(("ahead_s", "is_logged"), [(0.0, False), (3.0, True), (-3.0, True)])
def test_wrong_clock_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, ahead_s: float, is_logged: bool
) -> None:
    logged = []
    monkeypatch.setattr(clock_module.log, "warning", lambda event, **_: logged.append(event))
    server, monotonic = Redis(), [1000.0]
    server.time_s = int(REAL())
    monkeypatch.setattr(time, "monotonic", lambda: monotonic[0])
    monkeypatch.setattr(time, "time", lambda: server.time_s + 0.5 + ahead_s)
    now = RedisClock(server)  # type: ignore[arg-type]
    for _ in range(3):
        now()
        monotonic[0] += REFRESH_S
        server.time_s += REFRESH_S
    assert logged == ["clock_differs_from_redis"] * is_logged
    assert (abs(now.measure_skew_s()) > MAX_CLOCK_SKEW_S) is is_logged
