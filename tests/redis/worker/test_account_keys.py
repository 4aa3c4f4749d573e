"""Several keys of one account: a job is sent with one, and asked about with the same."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from imagequeue import providers
from imagequeue.config.settings import read_settings
from imagequeue.errors import InvalidTransitionError
from imagequeue.jobs.job import Job, State
from imagequeue.producer.commands import retry
from imagequeue.providers import get as get_provider
from imagequeue.store import codec, keys
from imagequeue.store.submit_queue import open_submit_queue
from imagequeue.worker.callback import read_callbacks
from imagequeue.worker.context import Context
from imagequeue.worker.poll import poll
from imagequeue.worker.refresh_url import refresh_url
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import KIE_ACCEPTED, KIE_PENDING, TASK, kie_callback, kie_done, picture, queued
from support.stub import Stub
from support.third_provider.provider import ThirdProvider
from support.worker.callbacks import URL, arrive, come, urls
from support.worker.polls import answering, come_due, run_polls
from support.worker.refreshes import refreshed


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    keys = {"kie_api_keys": "spare:kie-spare", "acedata_api_keys": "spare:ace-spare"}
    mine = {"kie_api_key": "kie-main", "acedata_api_key": "ace-main"}
    urls = {"kie_base_url": stub.url, "acedata_base_url": stub.url}
    return {**overrides, **keys, **mine, **urls}


def change(ctx: Context, overrides: dict[str, str], **changed: str) -> None:
    """Configure the worker anew."""
    vars(ctx)["settings"] = settings = read_settings(**{**overrides, **changed})
    vars(ctx)["submits"] = open_submit_queue(ctx.store.redis, settings)


def pause(ctx: Context, key: str, quota: str = "kie", seconds: float = 60) -> None:
    ctx.pauses.limit_rate(quota, key, seconds, ctx.now())


def resume(ctx: Context) -> None:
    ctx.store.redis.delete(keys.PAUSES)


def bearers(stub: Stub) -> list[str]:
    """Return the key of each request since the last call."""
    found = [headers["authorization"].removeprefix("Bearer ") for headers in stub.headers]
    stub.headers.clear()
    return found


def sent_with(ctx: Context, stub: Stub, key: str, **fields: Any) -> Job:
    """Return a job that was accepted with a key, the other one being paused."""
    other = "spare" if key == "main" else "main"
    job_id = queued(ctx, **fields)
    pause(ctx, other, get_provider(ctx.store.get(job_id).provider).quota)
    stub.answer = stub.answer if fields else lambda *_: KIE_ACCEPTED
    submit(ctx, job_id)
    resume(ctx)
    job = ctx.store.get(job_id)
    assert (job.state, job.account_key, len(bearers(stub))) == (State.WAITING, key, 1)
    return job


def test_keys_share_the_jobs(ctx: Context, stub: Stub) -> None:
    stub.answer = lambda *_: KIE_ACCEPTED
    jobs = [queued(ctx), queued(ctx)]
    for job_id in jobs:
        submit(ctx, job_id)
    assert [ctx.store.get(job_id).account_key for job_id in jobs] == ["main", "spare"]
    assert bearers(stub) == ["kie-main", "kie-spare"]


def test_rate_limit_pauses_its_key_alone(ctx: Context, stub: Stub) -> None:
    limited, other, last = queued(ctx), queued(ctx, provider="kie-midjourney"), queued(ctx)
    stub.answer = lambda *_: (429, {}, {"Retry-After": "30"})
    submit(ctx, limited)
    submit(ctx, other)
    assert bearers(stub) == ["kie-main", "kie-spare"]
    with pytest.raises(InvalidTransitionError, match="waits for its turn"):
        submit(ctx, last)
    assert bearers(stub) == []


@pytest.mark.parametrize(("service", "key"), [("flux", "ace-art"), ("midjourney", "ace-all")])
def test_key_limited_to_another_service_is_not_used(
    ctx: Context,
    overrides: dict[str, str],
    stub: Stub,
    monkeypatch: pytest.MonkeyPatch,
    service: str,
    key: str,
) -> None:
    keys = {"acedata_api_key": "", "acedata_api_keys": "art/flux:ace-art,all:ace-all"}
    change(ctx, overrides, **keys)
    monkeypatch.setattr(type(get_provider("acedata-flux")), "service", service)
    vars(ctx)["submits"] = open_submit_queue(ctx.store.redis, ctx.settings)
    stub.answer = lambda *_: (200, {"task_id": TASK})
    submit(ctx, queued(ctx, provider="acedata-flux"))
    assert bearers(stub) == [key]


def test_poll_goes_by_the_key_that_took_the_job(ctx: Context, stub: Stub, clock: Clock) -> None:
    job = sent_with(ctx, stub, "spare")
    stub.answer = lambda *_: KIE_PENDING
    clock.advance(60)
    poll(ctx, job.id)
    assert bearers(stub) == ["kie-spare"]


def test_url_is_refreshed_by_the_key_that_took_the_job(ctx: Context, stub: Stub) -> None:
    job = sent_with(ctx, stub, "spare")
    stub.answer = lambda *_: refreshed("https://x/1")
    found = refresh_url(ctx, job, picture(ctx))
    assert found
    assert found.url == "https://x/1"
    assert bearers(stub) == ["kie-spare"]


def test_callback_is_confirmed_by_the_key_that_took_the_job(
    ctx: Context, overrides: dict[str, str], stub: Stub
) -> None:
    change(ctx, overrides, callback_trust="requery")
    job = sent_with(ctx, stub, "spare")
    stub.answer = lambda *_: kie_done(URL)
    come(ctx, job.id, kie_callback("https://other.example/r.png"))
    assert (urls(ctx, job.id), bearers(stub)) == ([URL], ["kie-spare"])


def test_batch_polls_do_not_mix_keys(ctx: Context, stub: Stub, clock: Clock) -> None:
    jobs = []
    for number, key in enumerate(("main", "spare", "main", "spare")):
        stub.answer = lambda *_, number=number: (200, {"task_id": f"task-{number}"})
        jobs.append(sent_with(ctx, stub, key, provider="acedata-flux").id)
    stub.asked.clear()
    answering(stub, {})
    assert come_due(ctx, clock) == jobs
    run_polls(ctx, jobs)
    assert [body["ids"] for body in stub.posts] == [["task-0", "task-2"], ["task-1", "task-3"]]
    assert bearers(stub) == ["ace-main", "ace-spare"]


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
    assert "account_key_missing" in "".join(capsys.readouterr())


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
    assert ctx.submits.lease(ctx.now(), 9).job_ids == [job_id]
    submit(ctx, job_id)
    assert (ctx.store.get(job_id).account_key, bearers(stub)) == ("main", ["kie-main"])


def test_job_that_was_refused_may_take_another_key(ctx: Context, stub: Stub, clock: Clock) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: (429, {}, {"Retry-After": "30"})
    submit(ctx, job_id)
    stub.answer = lambda *_: KIE_ACCEPTED
    pause(ctx, "main")
    clock.time = ctx.store.get(job_id).wake_at
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.task_id, job.account_key) == (TASK, "spare")
    assert bearers(stub) == ["kie-main", "kie-spare"]


@pytest.mark.parametrize(
    ("signer", "state"), [("third-spare", State.DOWNLOADING), ("third-main", State.WAITING)]
)
def test_callback_is_verified_by_the_key_that_took_the_job(
    ctx: Context,
    overrides: dict[str, str],
    stub: Stub,
    monkeypatch: pytest.MonkeyPatch,
    signer: str,
    state: State,
) -> None:
    provider = ThirdProvider()
    monkeypatch.setitem(providers.PROVIDERS, provider.name, provider)
    keys = {"third_api_key": "third-main", "third_api_keys": "spare:third-spare"}
    change(ctx, overrides, third_base_url=stub.url, **keys)
    pause(ctx, "main", "third")
    job_id = queued(ctx, provider=provider.name)
    stub.answer = lambda *_: (200, {"id": "t1"})
    submit(ctx, job_id)
    body = json.dumps({"id": "t1", "url": URL}).encode()
    signature = hmac.new(signer.encode(), body, hashlib.sha256).hexdigest()
    arrive(ctx, job_id, body, **{"x-third-signature": signature})
    read_callbacks(ctx, job_id)
    assert ctx.store.get(job_id).state is state
