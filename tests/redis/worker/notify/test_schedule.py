"""When a webhook is sent again, and when it becomes a dead letter."""

from itertools import pairwise
from typing import Any

import pytest

from imagequeue.jobs.job import State
from imagequeue.store import streams
from imagequeue.store.webhooks import keys as webhook_keys
from imagequeue.store.webhooks import undelivered as webhooks
from imagequeue.worker.app import make_worker_app
from imagequeue.worker.context import Context
from imagequeue.worker.notify import DELAY_PER_AGE, JITTER, MAX_DELAY_S, MIN_DELAY_S, notify
from support.clock import Clock
from support.worker.webhooks import Listener, dead, failed, is_over, move, revived, tried


def test_delays_grow_with_age_up_to_dead_letter(
    ctx: Context, listener: Listener, clock: Clock
) -> None:
    """Delays grow with the age of the webhook, up to a dead letter at its end."""
    listener.answer = lambda _: 500
    job_id, created, tries = failed(ctx), clock(), [0.0]
    while (delay_s := tried(ctx, job_id)) is not None:
        clock.advance(delay_s)
        tries.append((clock() - created).total_seconds())
    assert len(listener.heard) == len(tries)
    assert len({heard.id for heard in listener.heard}) == 1
    for age_s, next_s in pairwise(tries[:-1]):
        delay_s = min(max(age_s * DELAY_PER_AGE, MIN_DELAY_S), MAX_DELAY_S)
        assert (1 - JITTER) * delay_s <= next_s - age_s + 1e-5
        assert next_s - age_s <= (1 + JITTER) * delay_s + 1e-5
    assert tries[-1] == pytest.approx(ctx.settings.webhook_give_up_s, abs=1e-5)
    assert dead(ctx) == ["job.failed"]
    assert is_over(ctx, job_id)


def test_next_event_follows_a_dead_letter(ctx: Context, listener: Listener, clock: Clock) -> None:
    job_id = failed(ctx)
    listener.answer = lambda heard: 500 if heard.type == "job.failed" else 204
    clock.advance(ctx.settings.webhook_give_up_s)
    move(ctx, job_id, State.DOWNLOADING, State.SUCCEEDED)
    assert notify(ctx, job_id) is None
    assert listener.types == ["job.failed", "job.succeeded"]
    assert dead(ctx) == ["job.failed"]
    assert is_over(ctx, job_id)


def test_410_is_given_up_at_once(ctx: Context, listener: Listener) -> None:
    listener.answer = lambda heard: 410 if heard.type == "job.failed" else 204
    job_id = revived(ctx)
    assert notify(ctx, job_id) is None
    assert listener.types == ["job.failed", "job.succeeded"]
    assert dead(ctx) == ["job.failed"]


def test_old_unsent_webhook_is_still_tried(ctx: Context, listener: Listener, clock: Clock) -> None:
    job_id = failed(ctx)
    clock.advance(10 * ctx.settings.webhook_give_up_s)
    assert notify(ctx, job_id) is None
    assert (listener.types, dead(ctx)) == (["job.failed"], [])


def test_newest_dead_letters_are_kept(
    ctx: Context, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "MAX_DEAD", 3)
    monkeypatch.setattr(streams, "PAGE", 2)
    listener.answer = lambda _: 410
    jobs = [failed(ctx) for _ in range(5)]
    for job_id in jobs:
        notify(ctx, job_id)
    assert [letter.job_id for letter in ctx.outbox.iter_dead_letters()] == jobs[:1:-1]


def test_crashing_webhook_is_a_dead_letter(
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


def test_damaged_webhook_holds_up_no_other(ctx: Context, listener: Listener) -> None:
    job_id = revived(ctx)
    damaged = webhook_keys.webhooks(job_id)
    ctx.store.redis.lset(damaged, 0, ctx.store.redis.lindex(damaged, 0)[:-9])
    assert tried(ctx, job_id) is None
    assert listener.types == ["job.succeeded"]
    assert is_over(ctx, job_id)
    assert (dead(ctx), len(ctx.outbox.list_unreadable())) == ([], 1)
