"""Dead letters are listed and replayed, and webhooks resent, by command."""

import json
from collections.abc import Callable

import pytest

from imagequeue.config.queues import Queue
from imagequeue.errors import InvalidRequestError
from imagequeue.jobs.job import utc_now
from imagequeue.store.webhooks import keys as webhook_keys
from imagequeue.store.webhooks.undelivered import UnknownWebhookError
from imagequeue.worker.context import Context
from imagequeue.worker.notify import notify
from support.cli import Ran, imagequeue
from support.clock import Clock
from support.jobs import queued
from support.worker.webhooks import Listener, dead, failed, is_over, revived, tried

Run = Callable[..., Ran]


@pytest.fixture
def run(overrides: dict[str, str]) -> Run:
    return lambda *arguments: imagequeue("webhooks", *arguments, settings=overrides)


def given_up(ctx: Context, listener: Listener, of: Callable[..., str] = failed) -> str:
    listener.answer = lambda _: 410
    job_id = of(ctx)
    notify(ctx, job_id)
    listener.forget()
    return job_id


def ids(ctx: Context) -> list[str]:
    return [letter.id for letter in ctx.outbox.iter_dead_letters()]


def test_replay_sends_same_event_with_full_time(
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


def test_replay_by_id_and_of_all(ctx: Context, listener: Listener, run: Run) -> None:
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


def test_concurrent_replays_requeue_once(
    ctx: Context, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = given_up(ctx, listener)
    (letter_id,) = ids(ctx)
    found = ctx.store.redis.xrange(webhook_keys.DEAD_WEBHOOKS)
    # Both look before either has put it back.
    monkeypatch.setattr(ctx.store.redis, "xrange", lambda *_: found)
    assert ctx.outbox.replay(letter_id, ctx.now()) == job_id
    with pytest.raises(UnknownWebhookError):
        ctx.outbox.replay(letter_id, ctx.now())
    assert len(ctx.outbox.list_unsent(job_id)) == 1


@pytest.mark.parametrize("wrong", ["job_1", "", "1", "-", "+", "(0-0", "9" * 40 + "-1", "1-1"])
def test_unknown_dead_letter_is_refused(
    ctx: Context, listener: Listener, run: Run, wrong: str
) -> None:
    given_up(ctx, listener)
    ran = run("replay", "--", wrong)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == f"imagequeue: no dead letter {wrong}; `webhooks list` shows all\n"
    assert len(ids(ctx)) == 1


def test_partial_id_is_refused(ctx: Context, listener: Listener, run: Run) -> None:
    given_up(ctx, listener)
    (letter_id,) = ids(ctx)
    assert run("replay", letter_id.partition("-")[0]).status == 2
    assert ids(ctx) == [letter_id]


@pytest.mark.parametrize("arguments", [[], ["--all", "1-0"]], ids=["nothing", "both"])
def test_replay_of_nothing_or_both_is_refused(run: Run, arguments: list[str]) -> None:
    words = "imagequeue: name the webhooks to replay by their ids, or give --all\n"
    assert run("replay", *arguments) == Ran(2, "", words)


def test_list_shows_hosts_and_json_bodies(
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


def test_resend_sends_current_state_as_new_event(
    ctx: Context, listener: Listener, run: Run, clock: Clock
) -> None:
    job_id = revived(ctx)
    notify(ctx, job_id)
    ran = run("resend", job_id, "--json")
    clock.time = utc_now()
    notify(ctx, job_id)
    assert listener.types == ["job.failed", "job.succeeded", "job.succeeded"]
    sent, again = listener.heard[1:]
    assert sent.id != again.id
    assert json.loads(ran.out) == {"id": again.id, "job_id": job_id}
    assert (sent.body, again.verify()) == (again.body, sent.verify())
    assert is_over(ctx, job_id)


def test_resend_starts_at_age_zero(ctx: Context, listener: Listener, clock: Clock) -> None:
    job_id = failed(ctx)
    notify(ctx, job_id)
    clock.advance(ctx.settings.webhook_give_up_s)
    ctx.outbox.resend([ctx.store.get(job_id)], clock())
    listener.answer = lambda _: 500
    assert notify(ctx, job_id) is not None
    assert dead(ctx) == []


def test_resend_is_refused_if_one_job_has_no_webhook(ctx: Context, run: Run) -> None:
    sent, live = failed(ctx), queued(ctx)
    vars(ctx)["settings"] = ctx.settings.model_copy(update={"webhook_url": None})
    without_url = failed(ctx)
    ran = run("resend", sent, without_url, live)
    assert (ran.status, ran.out) == (2, "")
    assert f"{without_url}: has no webhook_url" in ran.err
    assert f"{live}: is queued: its webhook is sent when it finishes" in ran.err
    assert len(ctx.outbox.list_unsent(sent)) == 1
    with pytest.raises(InvalidRequestError):
        ctx.outbox.resend([ctx.store.get(without_url)], ctx.now())
