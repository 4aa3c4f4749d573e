"""Jobs outlive the configuration: their key may be gone, or be that of an earlier task."""

import pytest

from imagequeue.jobs.job import State
from imagequeue.producer.commands import retry
from imagequeue.store import codec
from imagequeue.worker.context import Context
from imagequeue.worker.poll import poll
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import KIE_ACCEPTED, KIE_PENDING, kie_done, queued
from support.stub import Stub
from support.worker.account_keys import bearers, change, pause, resume, sent_with
from support.worker.callbacks import URL


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    keys = {"kie_api_keys": "spare:kie-spare", "acedata_api_keys": "spare:ace-spare"}
    mine = {"kie_api_key": "kie-main", "acedata_api_key": "ace-main"}
    urls = {"kie_base_url": stub.url, "acedata_base_url": stub.url}
    return {**overrides, **keys, **mine, **urls}


def test_removed_key_is_replaced_with_a_warning(
    ctx: Context,
    overrides: dict[str, str],
    stub: Stub,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
) -> None:
    job = sent_with(ctx, stub, "spare")
    change(ctx, overrides, kie_api_keys="")
    stub.answer = lambda *_: kie_done(URL)
    clock.advance(60)
    poll(ctx, job.id)
    assert ctx.store.get(job.id).state is State.DOWNLOADING
    assert bearers(stub) == ["kie-main"]
    assert "account_key_missing" in capsys.readouterr().err


def test_job_of_an_earlier_release_goes_by_main(
    ctx: Context, overrides: dict[str, str], stub: Stub, clock: Clock
) -> None:
    job = sent_with(ctx, stub, "spare")
    record = codec.dump(job).replace(b'"account_key":"spare",', b"", 1)
    assert codec.load(job.id, record, "") == job.model_copy(update={"account_key": ""})
    ctx.store.redis.set(f"iq:{job.id}", record)
    change(ctx, overrides, kie_api_key="", kie_api_keys="spare:kie-spare,main:kie-main")
    stub.answer = lambda *_: KIE_PENDING
    clock.advance(60)
    poll(ctx, job.id)
    assert bearers(stub) == ["kie-main"]


def lost_and_retried(ctx: Context, stub: Stub) -> str:
    """Return a job whose submission with the spare key had no answer, and that is paid again."""
    job_id = queued(ctx)
    pause(ctx, "main")
    stub.answer = lambda *_: None
    submit(ctx, job_id)
    resume(ctx)
    ctx.store.transition(ctx.store.get(job_id), lambda job: retry(job, ctx.now(), pay_again=True))
    stub.answer = lambda *_: KIE_ACCEPTED
    assert bearers(stub) == ["kie-spare"]
    return job_id


def test_retry_stays_with_the_key_of_its_former_task(ctx: Context, stub: Stub) -> None:
    submit(ctx, lost_and_retried(ctx, stub))
    assert bearers(stub) == ["kie-spare"]


@pytest.mark.parametrize("in_turn", [True, False], ids=["swept", "by a message"])
def test_retry_takes_another_key_if_its_own_was_removed(
    ctx: Context, overrides: dict[str, str], stub: Stub, in_turn: bool
) -> None:
    job_id, later = lost_and_retried(ctx, stub), queued(ctx)
    change(ctx, overrides, kie_api_keys="")
    if in_turn:
        assert ctx.submits.lease(ctx.now(), 9).job_ids == [job_id, later]
    submit(ctx, job_id)
    assert (ctx.store.get(job_id).account_key, bearers(stub)) == ("main", ["kie-main"])


def test_permit_of_a_removed_key_is_returned(
    ctx: Context, overrides: dict[str, str], stub: Stub
) -> None:
    job_id = queued(ctx)
    pause(ctx, "main")
    assert ctx.submits.lease(ctx.now(), 9).job_ids == [job_id]
    resume(ctx)
    change(ctx, overrides, kie_api_keys="")
    stub.answer = lambda *_: KIE_ACCEPTED
    submit(ctx, job_id)
    assert bearers(stub) == []
    submit(ctx, job_id)  # with the permit of the other key, which it got at once
    assert (ctx.store.get(job_id).account_key, bearers(stub)) == ("main", ["kie-main"])
