"""A hand-over that fails, is slow or is interrupted: nothing is paid, and no limit exceeded."""

from typing import Any

import pytest

from imagequeue.config.queues import Queue
from imagequeue.jobs.job import State
from imagequeue.jobs.upload import Upload
from imagequeue.producer.client import LocalClient
from imagequeue.store import keys
from imagequeue.worker.context import Context
from imagequeue.worker.inputs.hand_over import HAND_OVER_S
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import KIE_ACCEPTED, kie_refused
from support.stub import Stub
from support.worker.account_keys import change, pause
from support.worker.downloads import folder_of
from support.worker.hand_overs import (
    UPLOAD_PATH,
    UPLOADED,
    answer,
    edit,
    paid_bodies,
)


def test_slow_hand_over_counts_within_the_rate_limit(
    ctx: Context, stub: Stub, upload: Upload, clock: Clock, overrides: dict[str, str]
) -> None:
    change(ctx, overrides, kie_rate_limit="1/10", lease_s="30")
    client = LocalClient(ctx.settings, now=ctx.now)
    first, second = (edit(client, upload.id) for _ in range(2))
    leased: list[str] = []

    def answer_late(_: str, path: str, __: Any) -> Any:
        if path == UPLOAD_PATH:
            clock.advance(55)
            leased.extend(ctx.submits.lease(clock(), 9).job_ids)
        return UPLOADED if path == UPLOAD_PATH else KIE_ACCEPTED

    stub.answer = answer_late
    submit(ctx, first)
    assert leased == []
    clock.advance(10)
    assert ctx.submits.lease(clock(), 9).job_ids == [second]


@pytest.mark.parametrize("uploaded", [(503, b""), None, (200, b"no JSON"), kie_refused(401)])
def test_failed_hand_over_is_tried_again_unpaid(
    ctx: Context, client: LocalClient, stub: Stub, upload: Upload, clock: Clock, uploaded: Any
) -> None:
    stub.answer = answer(uploaded)
    job_id = edit(client, upload.id)
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.error and job.error.code) == (State.QUEUED, "input")
    assert (paid_bodies(stub), job.charged) == ([], "no")
    assert ctx.pauses.list_all(ctx.now()) == []
    stub.answer = answer()
    clock.advance(3600)
    submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.WAITING


def test_worker_that_dies_during_a_hand_over_leaves_the_job_queued(
    ctx: Context, client: LocalClient, stub: Stub, upload: Upload, clock: Clock
) -> None:
    leases: list[float] = []

    def die(*_: Any) -> None:
        due: Any = ctx.store.redis.zscore(keys.due(Queue.SUBMIT), job_id)
        leases.append(due - clock().timestamp())
        raise KeyboardInterrupt

    job_id = edit(client, upload.id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(ctx.http), "send", die)
        with pytest.raises(KeyboardInterrupt):
            submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.QUEUED
    assert leases == [HAND_OVER_S + ctx.settings.lease_s]
    clock.advance(leases[0] - 1)
    assert ctx.submits.lease(clock(), 9).job_ids == []
    clock.advance(1)
    assert ctx.submits.lease(clock(), 9).job_ids == [job_id]
    stub.answer = answer()
    submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.WAITING


def test_pause_during_a_hand_over_keeps_the_job_queued(
    ctx: Context, client: LocalClient, stub: Stub, upload: Upload
) -> None:
    def pause_and_take(*_: Any) -> Any:
        pause(ctx, "main")
        return UPLOADED

    stub.answer = pause_and_take
    job_id = edit(client, upload.id)
    submit(ctx, job_id)
    assert (ctx.store.get(job_id).state, paid_bodies(stub)) == (State.QUEUED, [])
    assert len(stub.asked) == 1


def test_hand_over_that_can_never_succeed_fails_the_job_unpaid(
    ctx: Context, client: LocalClient, stub: Stub, upload: Upload
) -> None:
    refused, gone = edit(client, upload.id), edit(client, upload.id)
    stub.answer = answer(kie_refused(413, "a kie key sent too much"))
    submit(ctx, refused)
    (folder_of(ctx) / upload.name).unlink()
    submit(ctx, gone)
    jobs = [ctx.store.get(each) for each in (refused, gone)]
    assert [job.state for job in jobs] == [State.FAILED] * 2
    messages = [job.error.message if job.error else "" for job in jobs]
    assert "413 ... sent too much" in messages[0]
    assert "not in the storage any more" in messages[1]
    assert (paid_bodies(stub), jobs[0].charged) == ([], "no")
