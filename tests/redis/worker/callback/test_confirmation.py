"""Callbacks that the provider has to confirm before they count."""

from typing import Any

import pytest

from imagequeue.config.queues import Queue
from imagequeue.jobs.callback import Outcome
from imagequeue.jobs.job import State, add_seconds
from imagequeue.store import keys
from imagequeue.worker.callback import read_callbacks
from imagequeue.worker.callback_trust import CONFIRM_RETRY_S
from imagequeue.worker.context import Context
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import (
    KIE_PENDING,
    TASK,
    kie_callback,
    kie_done,
    kie_refused,
    queued,
    waiting,
)
from support.stub import Stub
from support.worker.callbacks import URL, arrive, come, counted, reasons, urls


def trust(ctx: Context, **fields: Any) -> None:
    """Set how callbacks are trusted from now on."""
    vars(ctx)["settings"] = ctx.settings.model_copy(update=fields)


def look_ups(stub: Stub) -> int:
    return sum(method == "GET" for method, *_ in stub.asked)


def test_confirmed_success_uses_providers_urls(ctx: Context, stub: Stub) -> None:
    trust(ctx, callback_trust="requery")
    job_id = waiting(ctx, stub)
    stub.answer = lambda *_: kie_done("https://kie.example/true.png")
    come(ctx, job_id, kie_callback("https://evil.example/r.png"))
    assert ctx.store.get(job_id).state is State.DOWNLOADING
    assert urls(ctx, job_id) == ["https://kie.example/true.png"]
    assert (look_ups(stub), counted(ctx)) == (1, {"settled": 1})


def test_failure_is_confirmed_as_well(ctx: Context, stub: Stub) -> None:
    trust(ctx, callback_trust="requery")
    job_id = waiting(ctx, stub)
    stub.answer = lambda *_: kie_done(URL)
    come(ctx, job_id, kie_callback(code=500))
    assert (ctx.store.get(job_id).state, urls(ctx, job_id)) == (State.DOWNLOADING, [URL])


@pytest.mark.parametrize(
    "answer", [KIE_PENDING, kie_refused(422, "recordInfo is null"), (500, {}), None]
)
def test_unconfirmed_callback_is_quarantined(ctx: Context, stub: Stub, answer: Any) -> None:
    trust(ctx, callback_trust="requery")
    job_id = waiting(ctx, stub)
    before = ctx.store.get(job_id)
    stub.answer = lambda *_: answer
    come(ctx, job_id, kie_callback(URL))
    assert ctx.store.get(job_id) == before
    assert (
        ctx.store.redis.zscore(keys.due(Queue.POLL), job_id)
        == add_seconds(ctx.now(), 30).timestamp()
    )
    assert (reasons(ctx), counted(ctx)) == ([Outcome.UNTRUSTED], {"untrusted": 1})


def test_earlier_poll_is_not_postponed(ctx: Context, stub: Stub, clock: Clock) -> None:
    trust(ctx, callback_trust="requery")
    job_id = waiting(ctx, stub)
    before = ctx.store.redis.zscore(keys.due(Queue.POLL), job_id)
    assert before
    clock.advance(before - ctx.now().timestamp() - 10)
    stub.answer = lambda *_: KIE_PENDING
    come(ctx, job_id, kie_callback(URL))
    assert ctx.store.redis.zscore(keys.due(Queue.POLL), job_id) == before


def lost(ctx: Context, stub: Stub) -> str:
    """Add a job whose submission got no response."""
    job_id = queued(ctx)
    stub.answer = lambda *_: None
    submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.UNCONFIRMED
    return job_id


def test_running_task_of_lost_response_is_polled(ctx: Context, stub: Stub) -> None:
    trust(ctx, callback_trust="requery")
    job_id = lost(ctx, stub)
    stub.answer = lambda *_: KIE_PENDING
    come(ctx, job_id, kie_callback(URL))
    job = ctx.store.get(job_id)
    assert (job.state, job.task_id, job.error, job.images) == (State.WAITING, TASK, None, ())
    assert counted(ctx) == {"settled": 1}


def test_unknown_task_of_lost_response_is_untrusted(ctx: Context, stub: Stub) -> None:
    trust(ctx, callback_trust="requery")
    job_id = lost(ctx, stub)
    before = ctx.store.get(job_id)
    stub.answer = lambda *_: kie_refused(422, "recordInfo is null")
    come(ctx, job_id, kie_callback(URL))
    assert ctx.store.get(job_id) == before
    assert (reasons(ctx), counted(ctx)) == ([Outcome.UNTRUSTED], {"untrusted": 1})


def test_callback_waits_for_unavailable_provider(ctx: Context, stub: Stub) -> None:
    trust(ctx, callback_trust="requery")
    job_id = lost(ctx, stub)
    arrive(ctx, job_id, kie_callback(URL))
    stub.answer = lambda *_: (503, {})
    assert read_callbacks(ctx, job_id) == CONFIRM_RETRY_S
    assert (len(ctx.inbox.list_unread(job_id)), ctx.store.get(job_id).task_id) == (1, None)
    stub.answer = lambda *_: kie_done(URL)
    assert read_callbacks(ctx, job_id) is None
    assert ctx.store.get(job_id).state is State.DOWNLOADING


def test_too_long_task_id_is_rejected(ctx: Context, stub: Stub) -> None:
    job_id = lost(ctx, stub)
    come(ctx, job_id, kie_callback(URL, task="t" * 201))
    assert (reasons(ctx), ctx.store.get(job_id).task_id) == ([Outcome.UNREADABLE], None)


def test_callback_without_task_is_untrusted(ctx: Context, stub: Stub) -> None:
    trust(ctx, callback_trust="requery")
    now = ctx.now()
    job_id = queued(ctx, provider="acedata-flux")
    for to in (State.SUBMITTING, State.UNCONFIRMED):
        ctx.store.transition(
            ctx.store.get(job_id),
            lambda job, to=to: job.transition_to(to, "test", now, add_seconds(now, 60)),
        )
    come(ctx, job_id, {"success": True, "data": [{"image_url": URL}]})
    assert ctx.store.get(job_id).state is State.UNCONFIRMED
    assert (reasons(ctx), look_ups(stub)) == ([Outcome.UNTRUSTED], 0)


KNOWN_HOSTS = ("files.example.org", "*.example.com")


@pytest.mark.parametrize(
    "url",
    [
        "https://files.example.org/r.png",
        "https://cdn.example.com/r.png",
        "https://a.b.example.com:8443/r.png",
        "https://FILES.EXAMPLE.ORG/r.png",
    ],
)
def test_known_hosts_need_no_confirmation(ctx: Context, stub: Stub, url: str) -> None:
    trust(ctx, callback_hosts=KNOWN_HOSTS)
    job_id = waiting(ctx, stub)
    come(ctx, job_id, kie_callback(url))
    assert (urls(ctx, job_id), look_ups(stub), counted(ctx)) == ([url], 0, {"settled": 1})


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/r.png",
        "https://example.com/r.png",
        "https://evilexample.com/r.png",
        "https://files.example.org.evil.example/r.png",
        "https://files.example.org@evil.example/r.png",
        "https://evil.example?x=.example.com",
        "https://evil.example#.example.com",
        "https://files.example.org\\@evil.example/r.png",
        "https://evil.example\\.example.com/r.png",
        "http://[",
        "http://files.example.org:99999/r.png",
        "http://:80/",
    ],
)
def test_other_hosts_need_confirmation(ctx: Context, stub: Stub, url: str) -> None:
    trust(ctx, callback_hosts=KNOWN_HOSTS)
    job_id = waiting(ctx, stub)
    stub.answer = lambda *_: kie_done(URL)
    come(ctx, job_id, kie_callback(url))
    assert (urls(ctx, job_id), look_ups(stub), counted(ctx)) == ([URL], 1, {"settled": 1})


def test_one_image_on_other_host_needs_confirmation(ctx: Context, stub: Stub) -> None:
    trust(ctx, callback_hosts=KNOWN_HOSTS)
    job_id = waiting(ctx, stub)
    stub.answer = lambda *_: KIE_PENDING
    body = kie_callback("https://files.example.org/r.png")
    body["data"]["info"]["originImageUrl"] = "https://evil.example/o.png"
    come(ctx, job_id, body)
    assert (urls(ctx, job_id), look_ups(stub)) == ([], 1)
