"""Callbacks: early, late, doubled, forged and mismatched ones all have a defined end."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from pydantic import SecretStr

from imagequeue.config.queues import Queue
from imagequeue.errors import InvalidTransitionError
from imagequeue.jobs.callback import Callback, Outcome
from imagequeue.jobs.job import State, add_seconds
from imagequeue.producer.client import Client
from imagequeue.store import keys
from imagequeue.store.callbacks import MAX_UNREAD
from imagequeue.store.counters import Counters
from imagequeue.store.quarantine import Quarantine
from imagequeue.worker.callback import read_callbacks
from imagequeue.worker.callback_trust import CONFIRM_RETRY_S
from imagequeue.worker.context import Context
from imagequeue.worker.poll import poll
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.jobs import (
    KIE_ACCEPTED,
    KIE_PENDING,
    TASK,
    kie_callback,
    kie_done,
    kie_refused,
    path,
    queued,
    waiting,
)
from support.stub import Stub

URL = "https://a.example/r.png"


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {**overrides, "kie_base_url": stub.url, "public_url": "http://callbacks.example"}


def arrive(ctx: Context, job_id: str, body: Any, **headers: str) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    ctx.inbox.put(job_id, Callback(ctx.now(), headers, raw))


def test_the_provider_is_given_a_url_of_the_jobs_own(ctx: Context, stub: Stub) -> None:
    job_id = waiting(ctx, stub)
    url = stub.posts[0]["callBackUrl"]
    assert url.startswith(f"http://callbacks.example/callbacks/kie-flux-kontext/{job_id}/")


def test_a_callback_settles_the_job_and_takes_its_poll_away(ctx: Context, stub: Stub) -> None:
    job_id = waiting(ctx, stub)
    arrive(ctx, job_id, kie_callback(URL))
    read_callbacks(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.history[-1].cause) == (State.DOWNLOADING, "callback")
    assert ctx.store.redis.zscore(keys.due(Queue.POLL), job_id) is None
    assert ctx.store.redis.zscore(keys.due(Queue.CALLBACK), job_id) is None
    assert not ctx.inbox.list_unread(job_id)


def test_doubled_callbacks_settle_once(ctx: Context, stub: Stub, clock: Clock) -> None:
    job_id = waiting(ctx, stub)
    for _ in range(3):
        # Each at a time of its own, or they would be one entry.
        clock.advance(1)
        arrive(ctx, job_id, kie_callback(URL))
    assert len(ctx.inbox.list_unread(job_id)) == 3
    read_callbacks(ctx, job_id)
    assert path(ctx.store.get(job_id)) == ["queued", "submitting", "waiting", "downloading"]


def test_a_callback_before_the_answer_adopts_the_job_and_the_answer_changes_nothing(
    ctx: Context, stub: Stub
) -> None:
    job_id = queued(ctx)

    def answer(*_: Any) -> Any:
        arrive(ctx, job_id, kie_callback(URL))
        read_callbacks(ctx, job_id)
        return KIE_ACCEPTED

    stub.answer = answer
    with pytest.raises(InvalidTransitionError):
        submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert path(job) == ["queued", "submitting", "downloading"]
    assert job.task_id == TASK


def test_a_lost_answer_comes_back_through_the_jobs_own_callback(ctx: Context, stub: Stub) -> None:
    job_id = queued(ctx)
    stub.answer = lambda *_: None
    submit(ctx, job_id)
    arrive(ctx, job_id, kie_callback(URL))
    read_callbacks(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.task_id, job.error) == (State.DOWNLOADING, TASK, None)
    assert len(stub.posts) == 1


def test_a_success_after_the_give_up_revives_the_job(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    job_id = waiting(ctx, stub)
    stub.answer = lambda *_: KIE_PENDING
    clock.advance(ctx.settings.give_up_after_s)
    poll(ctx, job_id)
    assert ctx.store.get(job_id).state is State.FAILED
    arrive(ctx, job_id, kie_callback(URL))
    read_callbacks(ctx, job_id)
    assert ctx.store.get(job_id).state is State.DOWNLOADING


def test_a_result_for_a_cancelled_job_is_recorded_and_not_downloaded(
    ctx: Context, stub: Stub
) -> None:
    job_id = waiting(ctx, stub)
    Client(ctx.settings, now=ctx.now).cancel(job_id)
    arrive(ctx, job_id, kie_callback(URL))
    read_callbacks(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, [image.source_url for image in job.images]) == (State.CANCELLED, [URL])
    assert ctx.store.redis.zscore(keys.due(Queue.DOWNLOAD), job_id) is None


@pytest.mark.parametrize(
    "body",
    [
        kie_callback(URL, task="another task"),
        kie_callback(URL, code=999),
        kie_callback(""),
        b"\xff\xfe not JSON",
        b"",
        [],
    ],
    ids=["another task", "unknown code", "no URL", "no JSON", "empty", "a list"],
)
def test_a_callback_that_does_not_fit_changes_nothing_and_is_read_once(
    ctx: Context, stub: Stub, body: Any
) -> None:
    job_id = waiting(ctx, stub)
    before = ctx.store.get(job_id)
    arrive(ctx, job_id, body)
    read_callbacks(ctx, job_id)
    assert ctx.store.get(job_id) == before
    assert not ctx.inbox.list_unread(job_id)


def test_a_callback_for_a_job_that_is_gone_is_dropped(ctx: Context) -> None:
    arrive(ctx, "job_gone", kie_callback(URL))
    read_callbacks(ctx, "job_gone")
    assert not ctx.inbox.list_unread("job_gone")
    assert ctx.store.redis.zcard(keys.due(Queue.CALLBACK)) == 0


def test_a_second_reader_drops_nothing_that_nobody_has_read(ctx: Context) -> None:
    arrive(ctx, "job_x", b"a doubled one")
    first, second = ctx.inbox.list_unread("job_x"), ctx.inbox.list_unread("job_x")
    ctx.inbox.acknowledge("job_x", dict.fromkeys(first, Outcome.DUPLICATE))
    arrive(ctx, "job_x", b"the result")
    ctx.inbox.acknowledge("job_x", dict.fromkeys(second, Outcome.DUPLICATE))
    assert [callback.body for callback in ctx.inbox.list_unread("job_x").values()] == [
        b"the result"
    ]
    assert ctx.store.redis.zscore(keys.due(Queue.CALLBACK), "job_x") is not None


def test_the_unread_callbacks_of_a_job_are_bounded(ctx: Context) -> None:
    for number in range(MAX_UNREAD + 5):
        arrive(ctx, "job_x", str(number).encode())
    assert len(ctx.inbox.list_unread("job_x")) == MAX_UNREAD


@pytest.mark.parametrize(
    ("key", "age_s", "settled"),
    [("right", 0, True), ("wrong", 0, False), ("right", 301, False), (None, 0, False)],
    ids=["good", "wrong key", "too old", "unsigned"],
)
def test_where_kie_signs_only_signed_callbacks_count(
    ctx: Context, stub: Stub, key: str | None, age_s: int, settled: bool
) -> None:
    signing = {"kie_webhook_hmac_key": SecretStr("right")}
    vars(ctx)["settings"] = ctx.settings.model_copy(update=signing)
    job_id = waiting(ctx, stub)
    headers = {}
    if key:
        timestamp = str(int(ctx.now().timestamp()) - age_s)
        mac = hmac.digest(key.encode(), f"{TASK}.{timestamp}".encode(), hashlib.sha256)
        headers = {"x-webhook-timestamp": timestamp}
        headers["x-webhook-signature"] = base64.b64encode(mac).decode()
    arrive(ctx, job_id, kie_callback(URL), **headers)
    read_callbacks(ctx, job_id)
    assert (ctx.store.get(job_id).state is State.DOWNLOADING) == settled


def test_what_is_reported_of_a_task_before_the_retry_is_no_news(ctx: Context, stub: Stub) -> None:
    job_id = waiting(ctx, stub)
    for _ in range(2):
        arrive(ctx, job_id, kie_callback(code=500))
    read_callbacks(ctx, job_id)
    Client(ctx.settings, now=ctx.now).retry(job_id, pay_again=True)
    arrive(ctx, job_id, kie_callback(code=500))
    read_callbacks(ctx, job_id)
    assert ctx.store.get(job_id).state is State.QUEUED

    def answer(*_: Any) -> Any:
        arrive(ctx, job_id, kie_callback(code=501))
        read_callbacks(ctx, job_id)
        return 200, {"code": 200, "msg": "success", "data": {"taskId": "task-2"}}

    stub.answer = answer
    submit(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.task_id) == (State.WAITING, "task-2")


def come(ctx: Context, job_id: str, *bodies: Any) -> None:
    """Callbacks that arrive and are read."""
    for body in bodies:
        arrive(ctx, job_id, body)
        read_callbacks(ctx, job_id)


def counted(ctx: Context) -> dict[str, int]:
    sums = Counters(ctx.store.redis).read()
    prefix = "callbacks."
    return {n.removeprefix(prefix): count for n, count in sums.items() if n.startswith(prefix)}


def reasons(ctx: Context) -> list[Outcome]:
    """Why each callback in the quarantine is there."""
    return [kept.reason for kept in Quarantine(ctx.store.redis)]


def urls(ctx: Context, job_id: str) -> list[str]:
    return [image.source_url for image in ctx.store.get(job_id).images]


def test_a_success_after_a_failure_revives_the_job_and_both_are_on_record(
    ctx: Context, stub: Stub
) -> None:
    job_id = waiting(ctx, stub)
    come(ctx, job_id, kie_callback(code=500), kie_callback(URL))
    job = ctx.store.get(job_id)
    assert [(entry.to, entry.cause) for entry in job.history[2:]] == [
        (State.FAILED, "callback"),
        (State.FAILED, "callback contradicts the failure: 500"),
        (State.DOWNLOADING, "callback"),
    ]
    assert (job.error, urls(ctx, job_id)) == (None, [URL])
    assert ctx.store.redis.zscore(keys.due(Queue.DOWNLOAD), job_id) is not None
    assert ctx.store.redis.zscore(keys.RETENTION, job_id) is None
    assert counted(ctx) == {"settled": 2}


def cancelled(ctx: Context, job_id: str) -> None:
    Client(ctx.settings, now=ctx.now).cancel(job_id)
    come(ctx, job_id, kie_callback(URL))


def downloading(ctx: Context, job_id: str) -> None:
    come(ctx, job_id, kie_callback(URL))


def succeeded(ctx: Context, job_id: str, to: State = State.SUCCEEDED) -> None:
    downloading(ctx, job_id)
    over = add_seconds(ctx.now(), ctx.settings.retention_s)
    ctx.store.transition(
        ctx.store.get(job_id), lambda job: job.transition_to(to, "test", ctx.now(), over)
    )


def unsaved(ctx: Context, job_id: str) -> None:
    succeeded(ctx, job_id, State.UNSAVED)


@pytest.mark.parametrize("become", [downloading, succeeded, unsaved, cancelled])
def test_a_failure_after_a_success_is_noted_once_and_changes_nothing_else(
    ctx: Context, stub: Stub, clock: Clock, become: Any
) -> None:
    job_id = waiting(ctx, stub)
    become(ctx, job_id)
    before, settled = ctx.store.get(job_id), counted(ctx)["settled"]
    clock.advance(5)
    come(ctx, job_id, kie_callback(code=500), kie_callback(code=500))
    job = ctx.store.get(job_id)
    (note,) = job.changes[len(before.changes) :]
    assert (note.to, note.cause) == (before.state, "callback reported a failure: 500")
    same = {"changes": before.changes, "revision": before.revision, "wake_at": before.wake_at}
    assert job.model_copy(update=same) == before
    assert counted(ctx) == {"settled": settled, "contradicted": 1, "duplicate": 1}
    assert reasons(ctx) == [Outcome.CONTRADICTED]


@pytest.mark.parametrize("become", [succeeded, unsaved, cancelled])
def test_a_failure_after_a_success_leaves_the_wake_up_of_a_resting_job(
    ctx: Context, stub: Stub, clock: Clock, become: Any
) -> None:
    job_id = waiting(ctx, stub)
    become(ctx, job_id)
    before = ctx.store.redis.zscore(keys.RETENTION, job_id)
    assert before
    clock.advance(5)
    come(ctx, job_id, kie_callback(code=500))
    assert ctx.store.redis.zscore(keys.RETENTION, job_id) == before


def believing(ctx: Context, **fields: Any) -> None:
    """From now on callbacks are believed as these settings say."""
    vars(ctx)["settings"] = ctx.settings.model_copy(update=fields)


def look_ups(stub: Stub) -> int:
    return sum(method == "GET" for method, *_ in stub.asked)


def test_a_success_is_believed_once_the_provider_says_so_and_its_own_urls_count(
    ctx: Context, stub: Stub
) -> None:
    believing(ctx, callback_trust="requery")
    job_id = waiting(ctx, stub)
    stub.answer = lambda *_: kie_done("https://kie.example/true.png")
    come(ctx, job_id, kie_callback("https://evil.example/r.png"))
    assert ctx.store.get(job_id).state is State.DOWNLOADING
    assert urls(ctx, job_id) == ["https://kie.example/true.png"]
    assert (look_ups(stub), counted(ctx)) == (1, {"settled": 1})


def test_a_failure_is_asked_about_as_well(ctx: Context, stub: Stub) -> None:
    believing(ctx, callback_trust="requery")
    job_id = waiting(ctx, stub)
    stub.answer = lambda *_: kie_done(URL)
    come(ctx, job_id, kie_callback(code=500))
    assert (ctx.store.get(job_id).state, urls(ctx, job_id)) == (State.DOWNLOADING, [URL])


@pytest.mark.parametrize(
    "answer", [KIE_PENDING, kie_refused(422, "recordInfo is null"), (500, {}), None]
)
def test_what_the_provider_does_not_confirm_is_set_aside_and_polled_soon(
    ctx: Context, stub: Stub, answer: Any
) -> None:
    believing(ctx, callback_trust="requery")
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


def test_a_poll_that_comes_sooner_is_not_put_off(ctx: Context, stub: Stub, clock: Clock) -> None:
    believing(ctx, callback_trust="requery")
    job_id = waiting(ctx, stub)
    before = ctx.store.redis.zscore(keys.due(Queue.POLL), job_id)
    assert before
    clock.advance(before - ctx.now().timestamp() - 10)
    stub.answer = lambda *_: KIE_PENDING
    come(ctx, job_id, kie_callback(URL))
    assert ctx.store.redis.zscore(keys.due(Queue.POLL), job_id) == before


def lost(ctx: Context, stub: Stub) -> str:
    """A job whose submission was never answered."""
    job_id = queued(ctx)
    stub.answer = lambda *_: None
    submit(ctx, job_id)
    assert ctx.store.get(job_id).state is State.UNCONFIRMED
    return job_id


def test_a_lost_answer_whose_task_is_still_running_is_waited_for(ctx: Context, stub: Stub) -> None:
    believing(ctx, callback_trust="requery")
    job_id = lost(ctx, stub)
    stub.answer = lambda *_: KIE_PENDING
    come(ctx, job_id, kie_callback(URL))
    job = ctx.store.get(job_id)
    assert (job.state, job.task_id, job.error, job.images) == (State.WAITING, TASK, None, ())
    assert counted(ctx) == {"settled": 1}


def test_a_lost_answer_does_not_adopt_a_task_that_the_provider_does_not_know(
    ctx: Context, stub: Stub
) -> None:
    believing(ctx, callback_trust="requery")
    job_id = lost(ctx, stub)
    before = ctx.store.get(job_id)
    stub.answer = lambda *_: kie_refused(422, "recordInfo is null")
    come(ctx, job_id, kie_callback(URL))
    assert ctx.store.get(job_id) == before
    assert (reasons(ctx), counted(ctx)) == ([Outcome.UNTRUSTED], {"untrusted": 1})


def test_a_lost_answers_callback_is_kept_until_its_provider_can_be_asked(
    ctx: Context, stub: Stub
) -> None:
    believing(ctx, callback_trust="requery")
    job_id = lost(ctx, stub)
    arrive(ctx, job_id, kie_callback(URL))
    stub.answer = lambda *_: (503, {})
    assert read_callbacks(ctx, job_id) == CONFIRM_RETRY_S
    assert (len(ctx.inbox.list_unread(job_id)), ctx.store.get(job_id).task_id) == (1, None)
    stub.answer = lambda *_: kie_done(URL)
    assert read_callbacks(ctx, job_id) is None
    assert ctx.store.get(job_id).state is State.DOWNLOADING


def test_a_task_id_that_is_a_novel_is_none(ctx: Context, stub: Stub) -> None:
    job_id = lost(ctx, stub)
    come(ctx, job_id, kie_callback(URL, task="t" * 201))
    assert (reasons(ctx), ctx.store.get(job_id).task_id) == ([Outcome.UNREADABLE], None)


def test_a_callback_that_names_no_task_is_not_believed_of_a_lost_answer(
    ctx: Context, stub: Stub
) -> None:
    believing(ctx, callback_trust="requery")
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
def test_pictures_on_known_hosts_are_believed_without_asking(
    ctx: Context, stub: Stub, url: str
) -> None:
    believing(ctx, callback_hosts=KNOWN_HOSTS)
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
def test_pictures_on_any_other_host_are_asked_about(ctx: Context, stub: Stub, url: str) -> None:
    believing(ctx, callback_hosts=KNOWN_HOSTS)
    job_id = waiting(ctx, stub)
    stub.answer = lambda *_: kie_done(URL)
    come(ctx, job_id, kie_callback(url))
    assert (urls(ctx, job_id), look_ups(stub), counted(ctx)) == ([URL], 1, {"settled": 1})


def test_one_picture_on_another_host_is_enough_to_ask(ctx: Context, stub: Stub) -> None:
    believing(ctx, callback_hosts=KNOWN_HOSTS)
    job_id = waiting(ctx, stub)
    stub.answer = lambda *_: KIE_PENDING
    body = kie_callback("https://files.example.org/r.png")
    body["data"]["info"]["originImageUrl"] = "https://evil.example/o.png"
    come(ctx, job_id, body)
    assert (urls(ctx, job_id), look_ups(stub)) == ([], 1)


def test_the_words_of_a_failure_are_cut_before_they_are_kept(ctx: Context, stub: Stub) -> None:
    now = ctx.now()
    job_id = queued(ctx, provider="acedata-flux")
    for to in (State.SUBMITTING, State.UNCONFIRMED):
        ctx.store.transition(
            ctx.store.get(job_id),
            lambda job, to=to: job.transition_to(to, "test", now, add_seconds(now, 60)),
        )
    error = {"code": "c" * 100_000, "message": "m" * 100_000}
    come(ctx, job_id, {"success": False, "error": error, "task_id": TASK})
    job = ctx.store.get(job_id)
    assert job.error
    assert (len(job.error.code), len(job.error.message)) == (300, 300)
