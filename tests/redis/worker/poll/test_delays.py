"""When jobs are polled: by the setting of their provider, and within its limit of look-ups."""

import pytest

from imagequeue.config.settings import read_settings
from imagequeue.errors import ConfigError
from imagequeue.jobs.job import State
from imagequeue.providers import list_services
from imagequeue.worker.context import Context
from imagequeue.worker.poll import poll
from support.clock import Clock
from support.jobs import KIE_PENDING, waiting
from support.stub import Stub
from support.worker.polls import accepted, answering, come_due, in_s, run_polls

FAST = {"model": "z-image", "aspect_ratio": "1:1"}


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {**overrides, "kie_base_url": stub.url, "acedata_base_url": stub.url}


def polls_of(ctx: Context, stub: Stub, clock: Clock, job_id: str, count: int) -> list[float]:
    """The seconds from acceptance to each of the first polls."""
    start, times = clock(), []
    stub.answer = lambda *_: KIE_PENDING
    for _ in range(count):
        clock.advance(in_s(ctx, job_id))
        times.append((clock() - start).total_seconds())
        run_polls(ctx, [job_id])
    return times


def test_fast_model_has_one_poll_more(ctx: Context, stub: Stub, clock: Clock) -> None:
    job_id = waiting(ctx, stub, provider="kie", params=FAST)
    assert polls_of(ctx, stub, clock, job_id, 5) == [15, 60, 360, 1260, 3060]


class TestDelaysOfTheProvider:
    @pytest.fixture
    def overrides(self, overrides: dict[str, str]) -> dict[str, str]:
        return {**overrides, "kie_poll_delays": "10,60,300"}

    @pytest.mark.parametrize(
        ("provider", "params"), [("kie", FAST), ("kie-flux-kontext", {})], ids=["fast", "other"]
    )
    def test_they_replace_all_others(
        self, ctx: Context, stub: Stub, clock: Clock, provider: str, params: dict[str, str]
    ) -> None:
        job_id = waiting(ctx, stub, provider=provider, params=params)
        assert polls_of(ctx, stub, clock, job_id, 4) == [10, 70, 370, 2170]
        assert ctx.store.get(job_id).state is State.OVERDUE

    def test_jobs_of_other_accounts_keep_theirs(self, ctx: Context, stub: Stub) -> None:
        (job_id,) = accepted(ctx, stub, 1)
        assert in_s(ctx, job_id) == pytest.approx(60)


def test_bad_delay_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"IMAGEQUEUE_KIE_POLL_DELAYS\.1: .*greater than 0"):
        read_settings(kie_poll_delays="10,0")


class TestLimitOfLookups:
    @pytest.fixture
    def overrides(self, overrides: dict[str, str]) -> dict[str, str]:
        return {**overrides, "kie_lookups_per_s": "2", "acedata_lookups_per_s": "1"}

    def test_no_second_has_more_than_the_limit(
        self, ctx: Context, stub: Stub, clock: Clock
    ) -> None:
        job_ids = [waiting(ctx, stub) for _ in range(5)]
        clock.advance(60)
        stub.answer = lambda *_: KIE_PENDING
        stub.asked.clear()
        assert [poll(ctx, each) for each in job_ids] == [300, 300, 1, 1, 2]
        assert len(stub.asked) == 2
        # Whoever asks too early waits for the same time; nobody overtakes.
        clock.advance(0.5)
        assert poll(ctx, job_ids[4]) == 1.5
        clock.advance(0.5)
        late = waiting(ctx, stub)
        stub.answer = lambda *_: KIE_PENDING
        assert poll(ctx, late) == 1
        assert poll(ctx, job_ids[3]) == 299
        assert poll(ctx, job_ids[2]) == 299

    def test_a_batch_is_one_lookup(self, ctx: Context, stub: Stub, clock: Clock) -> None:
        job_ids = accepted(ctx, stub, 3)
        answering(stub, {})
        assert come_due(ctx, clock) == job_ids
        run_polls(ctx, job_ids)
        assert [in_s(ctx, each) for each in job_ids] == [pytest.approx(300)] * 3
        assert len(stub.asked) == 1

    def test_jobs_of_one_batch_share_a_time(self, ctx: Context, clock: Clock) -> None:
        def reserve(job_id: str) -> float:
            return ctx.lookups.reserve(job_id, "q", "main", 1, clock(), jobs_per_request=2)

        assert [reserve(f"job-{n}") for n in range(6)] == [0, 1, 1, 2, 2, 3]
        clock.advance(1)
        assert [reserve(f"job-{n}") for n in range(1, 7)] == [0, 0, 1, 1, 2, 2]

    def test_time_that_is_never_used_is_given_up(
        self, ctx: Context, stub: Stub, clock: Clock
    ) -> None:
        job_ids = [waiting(ctx, stub) for _ in range(3)]
        stub.answer = lambda *_: KIE_PENDING
        for each in job_ids:
            poll(ctx, each)
        (waiting_key,) = ctx.store.redis.keys("iq:lookups:*:waiting")  # type: ignore[misc]
        assert ctx.store.redis.zcard(waiting_key) == 1
        clock.advance(120)
        poll(ctx, job_ids[0])
        assert ctx.store.redis.zcard(waiting_key) == 0
        assert 0 < ctx.store.redis.pttl(waiting_key.replace(b":waiting", b"")) <= 60_000


def test_documented_limits_hold_by_default() -> None:
    settings = read_settings()
    found = {each.quota: settings.limits(each).lookups_per_s for each in list_services()}
    assert found.pop("kie") == 10
    # Its responses hold the images.
    assert found.pop("openai") == 0
    assert {quota: per_second for quota, per_second in found.items() if per_second != 1} == {}
