"""Equal requests: which repeats which, so that each job is one caller's answer."""

from datetime import timedelta

import pytest

from imagequeue.jobs.job import State
from imagequeue.store.callers.repeats import Repeatable, Repeats
from imagequeue.worker.context import Context
from support.clock import Clock
from support.jobs import queued

EQUAL = Repeatable("shop:openai:digest:", "digest")


@pytest.fixture
def repeats(ctx: Context) -> Repeats:
    return Repeats(ctx.store.redis)


def claim_new(ctx: Context, repeats: Repeats) -> int:
    """Claim a number for a new request, and store its job."""
    number = repeats.claim(EQUAL, ctx.now(), is_new=True)
    job = ctx.store.get(queued(ctx)).model_copy(update={"id": f"job_{number:026}"})
    assert ctx.store.add([job], [EQUAL.to_key(number)]) == [job.id]
    return number


def repeat(ctx: Context, repeats: Repeats, window_s: float = 60) -> int:
    return repeats.claim(EQUAL, ctx.now(), is_new=False, window_s=window_s)


def test_new_requests_get_numbers_of_their_own(ctx: Context, repeats: Repeats) -> None:
    assert [claim_new(ctx, repeats) for _ in range(3)] == [1, 2, 3]
    other = Repeatable("shop:openai:other:", "other")
    assert repeats.claim(other, ctx.now(), is_new=False) == 1


def test_repetitions_get_different_jobs_that_nobody_got(ctx: Context, repeats: Repeats) -> None:
    for _ in range(3):
        claim_new(ctx, repeats)
    assert repeats.answer(EQUAL, 2, ctx.now()) == 2
    assert [repeat(ctx, repeats) for _ in range(4)] == [1, 3, 1, 3]


def test_repetition_without_an_open_job_gets_the_last_answer_for_a_time(
    ctx: Context, repeats: Repeats, clock: Clock
) -> None:
    for number in (claim_new(ctx, repeats), claim_new(ctx, repeats)):
        repeats.answer(EQUAL, number, clock())
        clock.advance(5)
    clock.time += timedelta(seconds=55)
    assert repeat(ctx, repeats) == 2
    clock.advance(1)
    assert repeat(ctx, repeats) == 3


def test_repetition_prefers_a_number_with_a_job(ctx: Context, repeats: Repeats) -> None:
    crashed = repeats.claim(EQUAL, ctx.now(), is_new=True)
    assert repeat(ctx, repeats) == crashed
    assert claim_new(ctx, repeats) == 2
    assert [repeat(ctx, repeats) for _ in range(3)] == [2, 2, 2]


def test_second_answer_leads_to_a_job_that_nobody_got(ctx: Context, repeats: Repeats) -> None:
    first, second = claim_new(ctx, repeats), claim_new(ctx, repeats)
    assert repeats.answer(EQUAL, first, ctx.now()) == first
    assert repeats.answer(EQUAL, first, ctx.now()) == second
    assert repeats.answer(EQUAL, second, ctx.now()) == second
    assert repeats.answer(EQUAL, first, ctx.now()) == first
    assert repeats.find_id(EQUAL, second) == f"job_{second:026}"


def test_number_of_a_refused_request_is_forgotten(ctx: Context, repeats: Repeats) -> None:
    refused, stored = repeats.claim(EQUAL, ctx.now(), is_new=True), claim_new(ctx, repeats)
    repeats.forget(EQUAL, refused)
    repeats.forget(EQUAL, stored)
    assert ctx.store.list(State.QUEUED).jobs
    assert repeat(ctx, repeats) == stored
    assert repeats.answer(EQUAL, refused, ctx.now()) == stored


def test_nothing_of_it_stays_for_ever(ctx: Context, repeats: Repeats) -> None:
    number = claim_new(ctx, repeats)
    repeats.answer(EQUAL, number, ctx.now())
    names = [*ctx.store.redis.scan_iter("iq:repeats:*")]
    assert len(names) == 2
    assert all(0 < ctx.store.redis.ttl(name) <= 86400 for name in names)
