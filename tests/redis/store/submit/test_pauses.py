"""Pauses of several kinds, none of which ends another."""

import pytest

from imagequeue.jobs.job import add_seconds
from imagequeue.store.submit.pauses import Pauses
from imagequeue.worker.context import Context
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import KIE_ACCEPTED, queued
from support.stub import Stub


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {**overrides, "kie_base_url": stub.url}


@pytest.fixture
def pauses(ctx: Context) -> Pauses:
    return ctx.pauses


def kinds(pauses: Pauses, clock: Clock) -> list[str]:
    return [pause.kind for pause in pauses.list_all(clock())]


@pytest.mark.parametrize("is_limited_first", [True, False])
def test_rate_limit_does_not_shorten_a_pause_by_hand(
    pauses: Pauses, clock: Clock, is_limited_first: bool
) -> None:
    if is_limited_first:
        pauses.limit_rate("kie", "main", 30, clock())
    pauses.pause("kie:main", "", "cli", clock())
    if not is_limited_first:
        pauses.limit_rate("kie", "main", 30, clock())
    assert kinds(pauses, clock) == ["hand", "rate_limit"]
    clock.advance(30)
    assert kinds(pauses, clock) == ["hand"]
    assert pauses.resume("kie:main")
    assert kinds(pauses, clock) == []


def test_shorter_rate_limit_does_not_shorten_a_longer_one(pauses: Pauses, clock: Clock) -> None:
    ends_at = add_seconds(clock(), 60)
    pauses.limit_rate("kie", "main", 60, clock())
    pauses.limit_rate("kie", "main", 10, clock())
    (pause,) = pauses.list_all(clock())
    assert pause.until == ends_at


@pytest.mark.parametrize("name", ["all", "kie-flux-kontext", "kie:main"])
def test_job_that_was_leased_before_its_pause_is_put_back(
    ctx: Context, pauses: Pauses, clock: Clock, stub: Stub, name: str
) -> None:
    job_id = queued(ctx)
    assert ctx.submits.lease(clock(), 9).job_ids == [job_id]
    pauses.pause(name, "", "cli", clock())
    stub.answer = lambda *_: KIE_ACCEPTED
    submit(ctx, job_id)
    assert stub.posts == []
    pauses.resume(name)
    assert ctx.submits.lease(clock(), 9).job_ids == [job_id]
    submit(ctx, job_id)
    assert len(stub.posts) == 1
