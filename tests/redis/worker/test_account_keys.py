"""Several keys of one account: a job is sent with one, and asked about with the same."""

import hashlib
import hmac
import json

import pytest

from imagequeue import providers
from imagequeue.errors import InvalidTransitionError
from imagequeue.jobs.build import build_job
from imagequeue.jobs.job import State
from imagequeue.providers import get as get_provider
from imagequeue.providers.request import JobRequest
from imagequeue.store.submit.queue import open_submit_queue
from imagequeue.worker.callback import read_callbacks
from imagequeue.worker.context import Context
from imagequeue.worker.poll import poll
from imagequeue.worker.saving.refresh_url import refresh_url
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import (
    KIE_ACCEPTED,
    KIE_PENDING,
    TASK,
    kie_callback,
    kie_done,
    move,
    picture,
    queued,
)
from support.stub import Stub
from support.third_provider.provider import ThirdProvider
from support.worker.account_keys import bearers, change, pause, resume, sent_with
from support.worker.callbacks import URL, arrive, come, urls
from support.worker.polls import answering, come_due, run_polls
from support.worker.refreshes import refreshed


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    keys = {"kie_api_keys": "spare:kie-spare", "acedata_api_keys": "spare:ace-spare"}
    mine = {"kie_api_key": "kie-main", "acedata_api_key": "ace-main"}
    urls = {"kie_base_url": stub.url, "acedata_base_url": stub.url}
    return {**overrides, **keys, **mine, **urls}


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


def test_job_goes_on_with_a_task_by_the_key_that_has_it(ctx: Context, stub: Stub) -> None:
    stub.answer = lambda *_: KIE_ACCEPTED
    pause(ctx, "main")
    first = queued(ctx, provider="kie-midjourney")
    submit(ctx, first)
    images = (picture(ctx, state="stored"),)
    move(ctx, first, State.DOWNLOADING, State.SUCCEEDED, images=images)
    resume(ctx)
    pause(ctx, "spare")
    params = {"job": first, "image_index": 0}
    request = JobRequest(provider="kie-midjourney", action="vary", params=params)
    job = build_job(ctx.settings, request, ctx.now())
    ctx.store.add([job])
    submit(ctx, job.id)
    assert bearers(stub) == ["kie-spare"]
    resume(ctx)
    submit(ctx, job.id)
    assert bearers(stub) == ["kie-spare"]
