"""Notify: every webhook arrives, signed and in order, or becomes a dead letter that keeps."""

import asyncio
import base64
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from celery.contrib.testing.worker import start_worker
from redis.exceptions import ConnectionError as RedisConnectionError
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from imagequeue.config.queues import Queue
from imagequeue.config.settings import read_settings
from imagequeue.errors import InvalidRequestError, InvalidTransitionError
from imagequeue.jobs.job import Job, State, add_seconds, utc_now
from imagequeue.producer.client import Client
from imagequeue.producer.local.ports import free_port
from imagequeue.producer.local.up import read_or_make_secret
from imagequeue.store import keys, streams, webhooks
from imagequeue.store.compare_and_set import CompareAndSet
from imagequeue.store.webhooks import UnknownWebhookError, Webhook
from imagequeue.worker import notify as notify_module
from imagequeue.worker.app import make_worker_app
from imagequeue.worker.context import Context
from imagequeue.worker.http.client import HttpClient
from imagequeue.worker.notify import DELAY_PER_AGE, JITTER, MAX_DELAY_S, MIN_DELAY_S, notify
from support.asgi import serving
from support.cli import Ran, imagequeue
from support.clock import Clock
from support.hostile import Asked, Speak, drip, hosting, raw, reset, says, silence
from support.jobs import queued
from support.processes import eventually

SECRET, OLD_SECRET, OTHER_SECRET = (
    f"whsec_{base64.b64encode(bytes([n] * 32)).decode()}" for n in (1, 2, 3)
)
TOKEN = "t0ken-of-the-url"
Run = Callable[..., Ran]


class Heard(NamedTuple):
    """One request that reached the receiver."""

    id: str
    headers: dict[str, str]
    body: bytes

    @property
    def type(self) -> str:
        return str(json.loads(self.body)["type"])

    def verify(self, secret: str = SECRET) -> Any:
        return Verifier(secret).verify(self.body, self.headers)


class Listener:
    """A receiver of webhooks; `answer(heard)` is a status, or a whole response."""

    def __init__(self) -> None:
        self.netloc = ""
        self.forget()

    def forget(self) -> None:
        self.heard: list[Heard] = []
        self.answer: Callable[[Heard], Any] = lambda _: 204

    @property
    def types(self) -> list[str]:
        return [heard.type for heard in self.heard]

    async def take(self, request: Request) -> Response:
        headers = dict(request.headers)
        heard = Heard(headers["webhook-id"], headers, await request.body())
        self.heard.append(heard)
        answer = await asyncio.to_thread(self.answer, heard)
        return answer if isinstance(answer, Response) else Response(status_code=answer)


@pytest.fixture(scope="module")
def served() -> Iterator[Listener]:
    listener = Listener()
    methods = ["GET", "POST"]
    app = Starlette(routes=[Route("/{path:path}", listener.take, methods=methods)])
    with serving(app) as url:
        listener.netloc = url.removeprefix("http://")
        yield listener


@pytest.fixture
def listener(served: Listener) -> Listener:
    served.forget()
    return served


@pytest.fixture
def overrides(overrides: dict[str, str], listener: Listener) -> dict[str, str]:
    return {
        **overrides,
        "webhook_url": f"http://{listener.netloc}/hooks/{TOKEN}",
        "webhook_secret": SECRET,
        "webhook_trusted_hosts": listener.netloc,
        "sweep_every_s": "0.02",
    }


@pytest.fixture
def clock() -> Clock:
    """Begins now, or no receiver would believe the timestamps."""
    clock = Clock()
    clock.time = utc_now()
    return clock


@pytest.fixture
def run(overrides: dict[str, str]) -> Run:
    return lambda *arguments: imagequeue("webhooks", *arguments, settings=overrides)


def move(ctx: Context, job_id: str, *states: State) -> None:
    for state in states:
        ctx.store.transition(
            ctx.store.get(job_id),
            lambda job, to=state: job.transition_to(to, "test", ctx.now(), ctx.now()),
        )


def failed(ctx: Context, **fields: Any) -> str:
    """A job with one webhook to be sent."""
    job_id = queued(ctx, **fields)
    move(ctx, job_id, State.FAILED)
    return job_id


def revived(ctx: Context, **fields: Any) -> str:
    """A job with two webhooks to be sent: it failed, and a success came late."""
    job_id = failed(ctx, **fields)
    move(ctx, job_id, State.DOWNLOADING, State.SUCCEEDED)
    return job_id


def tried(ctx: Context, job_id: str) -> float | None:
    """One run of the step, its countdown set as its task does."""
    pause_s = notify(ctx, job_id)
    if pause_s is not None:
        ctx.wakeups.wake_at(Queue.NOTIFY, job_id, add_seconds(ctx.now(), pause_s))
    return pause_s


def wake_up(ctx: Context, job_id: str) -> datetime | None:
    score = ctx.store.redis.zscore(keys.due(Queue.NOTIFY), job_id)
    return None if score is None else datetime.fromtimestamp(score, UTC)


def dead(ctx: Context) -> list[str]:
    """The types of the dead letters, newest first."""
    return [json.loads(letter.webhook.body)["type"] for letter in ctx.outbox.iter_dead_letters()]


def is_over(ctx: Context, job_id: str) -> bool:
    return not ctx.outbox.list_unsent(job_id) and wake_up(ctx, job_id) is None


# What is sent


def test_a_webhook_is_signed_as_the_standard_says_and_holds_the_job(
    ctx: Context, listener: Listener
) -> None:
    job_id = failed(ctx, prompt="a cät", metadata={"order": 7})
    assert notify(ctx, job_id) is None
    (heard,) = listener.heard
    said = heard.verify()
    job = ctx.store.get(job_id)
    assert said == {
        "type": "job.failed",
        "timestamp": job.updated_at.isoformat(),
        "data": job.model_dump(mode="json", by_alias=True),
    }
    assert said["data"]["metadata"] == {"order": 7}
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers["user-agent"] == "imagequeue"
    assert heard.headers["webhook-timestamp"] == str(int(ctx.now().timestamp()))
    assert is_over(ctx, job_id)


@pytest.mark.parametrize("secret", [OTHER_SECRET, OLD_SECRET])
def test_another_secret_does_not_fit(ctx: Context, listener: Listener, secret: str) -> None:
    notify(ctx, failed(ctx))
    with pytest.raises(WebhookVerificationError):
        listener.heard[0].verify(secret)


class TestRotation:
    @pytest.fixture
    def overrides(self, overrides: dict[str, str]) -> dict[str, str]:
        return {**overrides, "webhook_secret": f"{SECRET}, {OLD_SECRET}"}

    def test_every_secret_signs(self, ctx: Context, listener: Listener) -> None:
        notify(ctx, failed(ctx))
        (heard,) = listener.heard
        assert heard.verify(SECRET) == heard.verify(OLD_SECRET) == json.loads(heard.body)
        with pytest.raises(WebhookVerificationError):
            heard.verify(OTHER_SECRET)


def test_a_job_that_names_a_url_is_told_of_there(ctx: Context, listener: Listener) -> None:
    with hosting() as elsewhere:
        vars(ctx)["webhook_http"] = HttpClient([elsewhere.netloc])
        job_id = failed(ctx, webhook_url=f"{elsewhere.url}/mine")
        notify(ctx, job_id)
        assert elsewhere.paths == ["/mine"]
    assert listener.heard == []


# Order


def test_events_of_a_job_arrive_in_order_and_each_once(ctx: Context, listener: Listener) -> None:
    job_id = revived(ctx)
    assert notify(ctx, job_id) is None
    assert listener.types == ["job.failed", "job.succeeded"]
    assert len({heard.id for heard in listener.heard}) == 2
    assert is_over(ctx, job_id)


def test_the_second_waits_for_the_first(ctx: Context, listener: Listener, clock: Clock) -> None:
    job_id = revived(ctx)
    listener.answer = lambda _: 500
    for _ in range(3):
        clock.advance(tried(ctx, job_id) or 0)
    assert listener.types == ["job.failed"] * 3
    assert len({heard.id for heard in listener.heard}) == 1
    listener.answer = lambda _: 200
    assert tried(ctx, job_id) is None
    assert listener.types[3:] == ["job.failed", "job.succeeded"]
    assert is_over(ctx, job_id)


def test_workers_at_once_send_each_event_once(ctx: Context, listener: Listener) -> None:
    jobs = [revived(ctx) for _ in range(5)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda job_id: notify(ctx, job_id), jobs * 4))
    assert sorted(listener.types) == ["job.failed"] * 5 + ["job.succeeded"] * 5
    assert all(is_over(ctx, job_id) for job_id in jobs)


def test_a_hint_that_came_twice_sends_nothing_twice(ctx: Context, listener: Listener) -> None:
    job_id = failed(ctx)
    for _ in range(3):
        notify(ctx, job_id)
    assert len(listener.heard) == 1


def test_a_worker_that_was_given_up_takes_nothing_off_that_was_not_sent(
    ctx: Context, listener: Listener, clock: Clock
) -> None:
    """Frozen with an answer on its way, while another sends the first and fails at the second."""
    job_id = revived(ctx)

    def answer(heard: Heard) -> int:
        if len(listener.heard) == 1:
            clock.advance(3 * ctx.settings.lease_s)
            tried(ctx, job_id)
        return 500 if heard.type == "job.succeeded" else 204

    listener.answer = answer
    notify(ctx, job_id)
    (left,) = ctx.outbox.list_unsent(job_id)
    assert json.loads(Webhook.load(left).body)["type"] == "job.succeeded"
    assert wake_up(ctx, job_id) is not None
    firsts = list(dict.fromkeys(listener.types))
    assert firsts == ["job.failed", "job.succeeded"]
    assert len({heard.id for heard in listener.heard}) == 2


# Failures


def late_success(connection: socket.socket, asked: Asked) -> None:
    time.sleep(2 * notify_module.TIMEOUT_S)
    says(204)(connection, asked)


def endless(_: Heard) -> Response:
    def body() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    return StreamingResponse(body())


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_success_will_do(ctx: Context, listener: Listener, status: int) -> None:
    listener.answer = lambda _: status
    job_id = failed(ctx)
    assert notify(ctx, job_id) is None
    assert is_over(ctx, job_id)


def test_a_success_whose_body_has_no_end_is_one(ctx: Context, listener: Listener) -> None:
    listener.answer = endless
    job_id = failed(ctx)
    assert notify(ctx, job_id) is None
    assert is_over(ctx, job_id)


@pytest.mark.parametrize("status", [300, 304, 400, 401, 404, 408, 429, 500, 502, 503])
def test_whatever_is_no_success_is_sent_again(
    ctx: Context, listener: Listener, clock: Clock, status: int
) -> None:
    listener.answer = lambda _: status
    job_id = failed(ctx)
    clock.advance(tried(ctx, job_id) or 0)
    listener.answer = lambda _: 204
    assert tried(ctx, job_id) is None
    first, second = listener.heard
    assert (first.id, first.body) == (second.id, second.body)
    assert is_over(ctx, job_id)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(ctx: Context, listener: Listener, status: int) -> None:
    target = f"http://{listener.netloc}/elsewhere"
    listener.answer = lambda _: Response(status_code=status, headers={"location": target})
    assert notify(ctx, failed(ctx)) is not None
    assert len(listener.heard) == 1


@pytest.mark.parametrize(
    "speak",
    [
        *(silence, drip, late_success, reset),
        *(raw(b""), raw(b"no HTTP at all\r\n\r\n"), raw(b"HTTP/1.1 999999 x")),
    ],
    ids=["silence", "drips", "too late", "resets", "hangs up", "no HTTP", "no status"],
)
def test_a_receiver_that_does_not_answer_is_asked_again(
    ctx: Context, monkeypatch: pytest.MonkeyPatch, speak: Speak
) -> None:
    monkeypatch.setattr(notify_module, "TIMEOUT_S", 1.0)
    with hosting() as host:
        host.speak = speak
        vars(ctx)["webhook_http"] = HttpClient([host.netloc])
        job_id = failed(ctx, webhook_url=host.url)
        assert notify(ctx, job_id) is not None
        assert len(host.asked) == 1
    assert len(ctx.outbox.list_unsent(job_id)) == 1


@pytest.mark.parametrize(
    "url", ["http://no-such-host.invalid/", "http://a..b/", "http://x:99999/", "http://[::"]
)
def test_a_url_that_leads_nowhere_is_tried_again(ctx: Context, url: str) -> None:
    job_id = failed(ctx, webhook_url=url)
    assert notify(ctx, job_id) is not None
    assert len(ctx.outbox.list_unsent(job_id)) == 1


def test_where_nobody_listens_is_tried_again(ctx: Context) -> None:
    netloc = f"127.0.0.1:{free_port()}"
    vars(ctx)["webhook_http"] = HttpClient([netloc])
    assert notify(ctx, failed(ctx, webhook_url=f"http://{netloc}")) is not None


class TestPrivateAddresses:
    @pytest.fixture
    def overrides(self, overrides: dict[str, str], listener: Listener) -> dict[str, str]:
        """Pictures may come from there; that says nothing of webhooks."""
        hosts = {"download_trusted_hosts": listener.netloc, "webhook_trusted_hosts": ""}
        return {**overrides, **hosts}

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"])
    def test_nothing_is_sent_to_one(self, ctx: Context, listener: Listener, host: str) -> None:
        port = listener.netloc.rpartition(":")[2]
        job_id = failed(ctx, webhook_url=f"http://{host}:{port}/")
        assert notify(ctx, job_id) is not None
        assert listener.heard == []
        assert len(ctx.outbox.list_unsent(job_id)) == 1


def test_a_worker_that_dies_between_the_answer_and_the_removal_sends_the_same_again(
    ctx: Context, listener: Listener, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = revived(ctx)

    def die(*_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(ctx.outbox, "delivered", die)
        with pytest.raises(SystemExit):
            notify(ctx, job_id)
    clock.advance(2 * ctx.settings.lease_s)
    assert ctx.dispatcher.sweep(Queue.NOTIFY, clock()).dispatched == [job_id]
    notify(ctx, job_id)
    assert listener.types == ["job.failed", "job.failed", "job.succeeded"]
    assert listener.heard[0].id == listener.heard[1].id
    assert is_over(ctx, job_id)


def test_redis_that_is_away_at_the_removal_puts_it_off(
    ctx: Context, listener: Listener, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_worker_app(ctx.settings, now=clock)
    job_id = failed(ctx)

    def away(*_: Any) -> None:
        raise RedisConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(app.context.outbox, "delivered", away)  # type: ignore[attr-defined]
        app.tasks["imagequeue.notify"](job_id)
    assert wake_up(ctx, job_id) == add_seconds(clock(), 15)
    clock.advance(15)
    app.tasks["imagequeue.notify"](job_id)
    assert len({heard.id for heard in listener.heard}) == 1
    assert is_over(ctx, job_id)


# When it is tried again, and given up


def test_the_schedule_of_a_receiver_that_stays_away(
    ctx: Context, listener: Listener, clock: Clock
) -> None:
    """By a real worker: pauses grow with the age, up to a dead letter at its end."""
    listener.answer = lambda _: 500
    job_id, began, tries = failed(ctx), clock(), []
    with start_worker(make_worker_app(ctx.settings, now=clock), perform_ping_check=False):
        while at := wake_up(ctx, job_id):
            clock.time = at
            tries.append((at - began).total_seconds())
            held = [add_seconds(at, leases * ctx.settings.lease_s) for leases in (0, 1, 2)]
            eventually(lambda held=held: wake_up(ctx, job_id) not in held)
    assert len(listener.heard) == len(tries)
    assert len({heard.id for heard in listener.heard}) == 1
    for age_s, next_s in pairwise(tries[:-1]):
        pause_s = min(max(age_s * DELAY_PER_AGE, MIN_DELAY_S), MAX_DELAY_S)
        assert (1 - JITTER) * pause_s <= next_s - age_s + 1e-5
        assert next_s - age_s <= (1 + JITTER) * pause_s + 1e-5
    assert tries[-1] == ctx.settings.webhook_give_up_s
    assert dead(ctx) == ["job.failed"]
    assert is_over(ctx, job_id)


def test_the_next_event_gets_its_turn_when_one_is_given_up(
    ctx: Context, listener: Listener, clock: Clock
) -> None:
    job_id = failed(ctx)
    listener.answer = lambda heard: 500 if heard.type == "job.failed" else 204
    clock.advance(ctx.settings.webhook_give_up_s)
    move(ctx, job_id, State.DOWNLOADING, State.SUCCEEDED)
    assert notify(ctx, job_id) is None
    assert listener.types == ["job.failed", "job.succeeded"]
    assert dead(ctx) == ["job.failed"]
    assert is_over(ctx, job_id)


def test_gone_is_given_up_at_once(ctx: Context, listener: Listener) -> None:
    listener.answer = lambda heard: 410 if heard.type == "job.failed" else 204
    job_id = revived(ctx)
    assert notify(ctx, job_id) is None
    assert listener.types == ["job.failed", "job.succeeded"]
    assert dead(ctx) == ["job.failed"]


def test_one_that_waited_for_a_worker_too_long_is_still_tried(
    ctx: Context, listener: Listener, clock: Clock
) -> None:
    job_id = failed(ctx)
    clock.advance(10 * ctx.settings.webhook_give_up_s)
    assert notify(ctx, job_id) is None
    assert (listener.types, dead(ctx)) == (["job.failed"], [])


def test_too_many_dead_letters_make_room_for_the_newest(
    ctx: Context, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "MAX_DEAD", 3)
    monkeypatch.setattr(streams, "PAGE", 2)
    listener.answer = lambda _: 410
    jobs = [failed(ctx) for _ in range(5)]
    for job_id in jobs:
        notify(ctx, job_id)
    assert [letter.job_id for letter in ctx.outbox.iter_dead_letters()] == jobs[:1:-1]


def test_one_that_breaks_its_worker_every_time_is_a_dead_letter_and_harms_no_job(
    ctx: Context, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_worker_app(ctx.settings, now=clock)
    job_id = revived(ctx)
    before = ctx.store.get(job_id)

    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("imagequeue.worker.tasks.notify", broken)
    for _ in range(ctx.settings.max_crashes):
        with pytest.raises(ZeroDivisionError):
            app.tasks["imagequeue.notify"](job_id)
    app.tasks["imagequeue.notify"](job_id)
    assert dead(ctx) == ["job.succeeded", "job.failed"]
    assert is_over(ctx, job_id)
    assert ctx.store.get(job_id) == before


# Where webhooks come from


def test_a_move_that_is_refused_tells_nobody(ctx: Context) -> None:
    job_id = queued(ctx)

    def overtaken(job: Any) -> Any:
        if job.state is State.QUEUED:
            move(ctx, job_id, State.SUBMITTING)
        return job.transition_to(State.CANCELLED, "test", ctx.now(), ctx.now())

    with pytest.raises(InvalidTransitionError):
        ctx.store.transition(ctx.store.get(job_id), overtaken)
    assert is_over(ctx, job_id)


def test_a_move_whose_answer_was_lost_tells_once(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_twice(self: CompareAndSet, before: Job, after: Job, client: Any = None) -> Any:
        """As the client does when the connection breaks after the script ran."""
        write(self, before, after, client)
        return write(self, before, after, client)

    write = CompareAndSet.__call__
    monkeypatch.setattr(CompareAndSet, "__call__", write_twice)
    assert len(ctx.outbox.list_unsent(failed(ctx))) == 1


def test_a_move_to_rest_hints_its_webhook(ctx: Context, clock: Clock) -> None:
    job_id, now = queued(ctx), clock()
    ctx.transition(
        ctx.store.get(job_id),
        lambda job: job.transition_to(State.FAILED, "test", now, add_seconds(now, 60)),
    )
    assert ctx.store.redis.llen("notify") == 1
    assert wake_up(ctx, job_id) == add_seconds(now, ctx.settings.lease_s)


def test_a_cancel_hints_its_webhook(ctx: Context, clock: Clock) -> None:
    Client(ctx.settings, now=clock).cancel(queued(ctx))
    assert ctx.store.redis.llen("notify") == 1


def test_a_hint_that_was_never_sent_is_made_up_for_by_the_sweep(ctx: Context) -> None:
    job_id = failed(ctx)
    assert ctx.store.redis.llen("notify") == 0
    assert ctx.dispatcher.sweep(Queue.NOTIFY, ctx.now()).dispatched == [job_id]


def test_a_wake_up_that_wakes_for_nothing_goes(ctx: Context) -> None:
    job_id = queued(ctx)
    ctx.store.redis.zadd(keys.due(Queue.NOTIFY), {job_id: ctx.now().timestamp()})
    assert notify(ctx, job_id) is None
    assert is_over(ctx, job_id)


def test_a_job_that_was_removed_is_told_of_all_the_same(
    ctx: Context, listener: Listener, clock: Clock
) -> None:
    listener.answer = lambda _: 503
    job_id = failed(ctx)
    tried(ctx, job_id)
    clock.advance(9)
    assert ctx.store.delete_expired(clock()) == 1
    listener.answer = lambda _: 204
    assert tried(ctx, job_id) is None
    assert listener.types == ["job.failed"] * 2
    assert [key for key in ctx.store.redis.scan_iter("iq:*") if job_id.encode() in key] == []


# By hand


def given_up(ctx: Context, listener: Listener, of: Callable[..., str] = failed) -> str:
    listener.answer = lambda _: 410
    job_id = of(ctx)
    notify(ctx, job_id)
    listener.forget()
    return job_id


def ids(ctx: Context) -> list[str]:
    return [letter.id for letter in ctx.outbox.iter_dead_letters()]


def test_a_replay_sends_the_same_event_with_all_the_time_of_a_new_one(
    ctx: Context, listener: Listener, clock: Clock, run: Run
) -> None:
    job_id = given_up(ctx, listener)
    (letter,) = ctx.outbox.iter_dead_letters()
    clock.advance(ctx.settings.webhook_give_up_s + 1)
    assert ctx.outbox.replay(letter.id, clock()) == job_id
    listener.answer = lambda _: 500
    clock.advance(tried(ctx, job_id) or 0)
    listener.answer = lambda _: 204
    assert tried(ctx, job_id) is None
    assert {(heard.id, heard.body.decode()) for heard in listener.heard} == {
        (letter.webhook.id, letter.webhook.body)
    }
    assert len(listener.heard) == 2
    assert dead(ctx) == []


def test_replays_by_id_and_of_all(ctx: Context, listener: Listener, run: Run) -> None:
    one, two = given_up(ctx, listener), given_up(ctx, listener, revived)
    last, middle, first = ids(ctx)
    assert run("replay", first) == Ran(0, f"{first}  {one}\n", "")
    shown = run("replay", "--all", "--json").out.splitlines()
    assert [json.loads(line) for line in shown] == [
        {"id": letter_id, "job_id": two} for letter_id in (last, middle)
    ]
    assert (len(ctx.outbox.list_unsent(one)), len(ctx.outbox.list_unsent(two))) == (1, 2)
    assert ctx.dispatcher.sweep(Queue.NOTIFY, utc_now()).dispatched == [one, two]
    assert run("replay", "--all") == Ran(0, "", "")


def test_replays_at_once_put_a_webhook_back_once(
    ctx: Context, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = given_up(ctx, listener)
    (letter_id,) = ids(ctx)
    found = ctx.store.redis.xrange(keys.DEAD_WEBHOOKS)
    # Both look before either has put it back.
    monkeypatch.setattr(ctx.store.redis, "xrange", lambda *_: found)
    assert ctx.outbox.replay(letter_id, ctx.now()) == job_id
    with pytest.raises(UnknownWebhookError):
        ctx.outbox.replay(letter_id, ctx.now())
    assert len(ctx.outbox.list_unsent(job_id)) == 1


@pytest.mark.parametrize("wrong", ["job_1", "", "1", "-", "+", "(0-0", "9" * 40 + "-1", "1-1"])
def test_what_is_no_dead_letter_is_refused(
    ctx: Context, listener: Listener, run: Run, wrong: str
) -> None:
    given_up(ctx, listener)
    ran = run("replay", "--", wrong)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == f"imagequeue: no dead letter {wrong}; `webhooks list` shows all\n"
    assert len(ids(ctx)) == 1


def test_half_an_id_names_nothing(ctx: Context, listener: Listener, run: Run) -> None:
    given_up(ctx, listener)
    (letter_id,) = ids(ctx)
    assert run("replay", letter_id.partition("-")[0]).status == 2
    assert ids(ctx) == [letter_id]


@pytest.mark.parametrize("arguments", [[], ["--all", "1-0"]], ids=["nothing", "both"])
def test_a_replay_of_nothing_or_of_both_is_refused(run: Run, arguments: list[str]) -> None:
    words = "imagequeue: name the webhooks to replay by their ids, or give --all\n"
    assert run("replay", *arguments) == Ran(2, "", words)


def test_the_list_names_hosts_and_as_json_the_bodies(
    ctx: Context, listener: Listener, clock: Clock, run: Run
) -> None:
    job_id = given_up(ctx, listener, revived)
    last, first = ctx.outbox.iter_dead_letters()
    at = clock().isoformat()
    assert run("list").out.splitlines() == [
        f"{last.id}  {at}  {job_id}  job.succeeded  127.0.0.1",
        f"{first.id}  {at}  {job_id}  job.failed  127.0.0.1",
    ]
    (shown,) = map(json.loads, run("list", "--json", "--limit", "1").out.splitlines())
    assert shown == {
        "id": last.id,
        "at": at,
        "job_id": job_id,
        "webhook_id": last.webhook.id,
        "type": "job.succeeded",
        "host": "127.0.0.1",
        "body": last.webhook.body,
    }


def test_a_resend_tells_of_the_job_as_it_is_in_an_event_of_its_own(
    ctx: Context, listener: Listener, run: Run, clock: Clock
) -> None:
    job_id = revived(ctx)
    notify(ctx, job_id)
    ran = run("resend", job_id, "--json")
    clock.time = utc_now()
    notify(ctx, job_id)
    assert listener.types == ["job.failed", "job.succeeded", "job.succeeded"]
    told, again = listener.heard[1:]
    assert told.id != again.id
    assert json.loads(ran.out) == {"id": again.id, "job_id": job_id}
    assert (told.body, again.verify()) == (again.body, told.verify())
    assert is_over(ctx, job_id)


def test_a_resend_begins_to_count_its_age_anew(
    ctx: Context, listener: Listener, clock: Clock
) -> None:
    job_id = failed(ctx)
    notify(ctx, job_id)
    clock.advance(ctx.settings.webhook_give_up_s)
    ctx.outbox.resend([ctx.store.get(job_id)], clock())
    listener.answer = lambda _: 500
    assert notify(ctx, job_id) is not None
    assert dead(ctx) == []


def test_a_resend_of_what_nobody_is_told_of_is_refused_whole(ctx: Context, run: Run) -> None:
    told, live = failed(ctx), queued(ctx)
    vars(ctx)["settings"] = ctx.settings.model_copy(update={"webhook_url": None})
    untold = failed(ctx)
    ran = run("resend", told, untold, live)
    assert (ran.status, ran.out) == (2, "")
    assert f"{untold}: has no webhook_url" in ran.err
    assert f"{live}: is queued: its webhook is sent when it finishes" in ran.err
    assert len(ctx.outbox.list_unsent(told)) == 1
    with pytest.raises(InvalidRequestError):
        ctx.outbox.resend([ctx.store.get(untold)], ctx.now())


# What is kept quiet


@pytest.mark.parametrize("status", [204, 302, 410, 500])
def test_no_url_and_no_secret_is_logged(
    ctx: Context, listener: Listener, clock: Clock, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    listener.answer = lambda _: Response(status_code=status, headers={"location": f"/{TOKEN}"})
    notify(ctx, failed(ctx))
    vars(ctx)["webhook_http"] = HttpClient()
    notify(ctx, failed(ctx))
    said = "".join(capsys.readouterr())
    assert "host" in said
    assert "127.0.0.1 is a private address" in said
    assert TOKEN not in said
    assert SECRET.removeprefix("whsec_") not in said


def test_a_webhook_without_a_secret_waits_for_one(
    ctx: Context, listener: Listener, clock: Clock
) -> None:
    job_id = failed(ctx)
    unset = ctx.settings.model_copy(update={"webhook_secret": ()})
    app = make_worker_app(unset, now=clock)
    for _ in range(2 * unset.max_crashes):
        app.tasks["imagequeue.notify"](job_id)
        clock.advance(15)
    assert listener.heard == []
    assert len(ctx.outbox.list_unsent(job_id)) == 1
    notify(ctx, job_id)
    assert listener.types == ["job.failed"]


def test_up_makes_a_secret_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "webhook_secret"
    made = read_or_make_secret(path, prefix="whsec_")
    assert read_or_make_secret(path, prefix="whsec_") == made
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_settings(webhook_secret=made).webhook_secrets == (made,)
    assert read_or_make_secret(tmp_path / "another", prefix="whsec_") != made
