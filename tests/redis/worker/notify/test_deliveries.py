"""The log of deliveries: each try of a job's webhooks, bounded, and without what is secret."""

import json
from typing import Any

import pytest
import requests
from starlette.responses import Response

from imagequeue.jobs.delivery import Delivery
from imagequeue.jobs.job import add_seconds
from imagequeue.producer.api.application import create_app
from imagequeue.store.webhooks import keys as webhook_keys
from imagequeue.store.webhooks.deliveries import MAX_DELIVERIES, list_deliveries
from imagequeue.worker.context import Context
from imagequeue.worker.http.client import HttpClient
from imagequeue.worker.notify import notify
from support.asgi import serving
from support.cli import imagequeue
from support.clock import Clock
from support.jobs import queued
from support.worker.webhooks import SECRET, TOKEN, Listener, failed, is_over, revived, tried


def log(ctx: Context, job_id: str) -> list[Delivery]:
    return list_deliveries(ctx.store.redis, job_id)


def outcomes(ctx: Context, job_id: str) -> list[Any]:
    return [(each.event, each.status, each.error) for each in log(ctx, job_id)]


def test_every_try_is_logged(ctx: Context, listener: Listener, clock: Clock) -> None:
    job_id = revived(ctx)
    listener.answer = lambda _: 503
    at, delay_s = ctx.now(), tried(ctx, job_id) or 0
    (first,) = log(ctx, job_id)
    assert (first.at, first.next_at) == (at, add_seconds(at, delay_s))
    assert first.webhook_id == listener.heard[0].id
    assert first.duration_ms >= 0
    clock.advance(delay_s)
    listener.answer = lambda _: 204
    assert tried(ctx, job_id) is None
    assert outcomes(ctx, job_id) == [
        ("job.failed", 503, "rejected"),
        ("job.failed", 204, None),
        ("job.succeeded", 204, None),
    ]
    assert [each.next_at for each in log(ctx, job_id)][1:] == [None, None]


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://10.0.0.1/", "private_address"),
        ("http://x:99999/", "invalid_url"),
        ("http://no-such-host.invalid/", "not_sent"),
    ],
)
def test_failure_has_a_word(ctx: Context, url: str, word: str) -> None:
    job_id = failed(ctx, webhook_url=url)
    notify(ctx, job_id)
    assert outcomes(ctx, job_id) == [("job.failed", None, word)]


def test_end_without_a_delivery_has_no_next_try(
    ctx: Context, listener: Listener, clock: Clock
) -> None:
    gone, old = failed(ctx), failed(ctx)
    listener.answer = lambda _: 410
    notify(ctx, gone)
    listener.answer = lambda _: 500
    clock.advance(ctx.settings.webhook_give_up_s)
    notify(ctx, old)
    shown = [
        (each.status, each.error, each.next_at) for job in (gone, old) for each in log(ctx, job)
    ]
    assert shown == [(410, "gone", None), (500, "rejected", None)]


def test_log_is_bounded(ctx: Context, listener: Listener) -> None:
    job_id = failed(ctx)
    listener.answer = lambda _: 500 + len(listener.heard)
    for _ in range(MAX_DELIVERIES + 5):
        tried(ctx, job_id)
    statuses = [each.status for each in log(ctx, job_id)]
    assert statuses == [500 + n for n in range(6, MAX_DELIVERIES + 6)]


def test_lost_worker_loses_one_line(
    ctx: Context, listener: Listener, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = failed(ctx)
    listener.answer = lambda _: 500
    tried(ctx, job_id)

    def die(*_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(ctx.outbox, "log_failure", die)
        with pytest.raises(SystemExit):
            notify(ctx, job_id)
    clock.advance(2 * ctx.settings.lease_s)
    listener.answer = lambda _: 204
    assert tried(ctx, job_id) is None
    assert len(listener.heard) == 3
    assert [each.status for each in log(ctx, job_id)] == [500, 204]


def test_log_is_deleted_with_its_job(ctx: Context, listener: Listener, clock: Clock) -> None:
    done, pending = failed(ctx), failed(ctx)
    notify(ctx, done)
    clock.advance(ctx.settings.retention_s + 1)
    assert ctx.store.deletion.delete_expired(ctx.now()) == 2
    notify(ctx, pending)
    assert is_over(ctx, pending)
    assert ctx.store.redis.keys(webhook_keys.deliveries("*")) == []


def test_unreadable_line_hides_no_other(ctx: Context, listener: Listener) -> None:
    job_id = revived(ctx)
    notify(ctx, job_id)
    ctx.store.redis.lset(webhook_keys.deliveries(job_id), 0, "{")
    assert outcomes(ctx, job_id) == [("job.succeeded", 204, None)]


def test_log_is_shown_without_url_body_or_secret(
    ctx: Context, listener: Listener, overrides: dict[str, str]
) -> None:
    job_id, other = failed(ctx, prompt="a cät"), queued(ctx)
    listener.answer = lambda _: Response("the body", 503, {"location": f"/{TOKEN}"})
    tried(ctx, job_id)
    vars(ctx)["webhook_http"] = HttpClient()
    tried(ctx, job_id)
    lines = b"".join(ctx.store.redis.lrange(webhook_keys.deliveries(job_id), 0, -1)).decode()
    for secret in (TOKEN, SECRET[6:], "the body", "a cät", listener.netloc):
        assert secret not in lines
    with serving(create_app(ctx.settings)) as api:
        shown = requests.get(f"{api}/v1/jobs/{job_id}", timeout=30).json()["deliveries"]
        assert [(each["status"], each["error"]) for each in shown] == [
            (503, "rejected"),
            (None, "private_address"),
        ]
        assert requests.get(f"{api}/v1/jobs/{other}", timeout=30).json()["deliveries"] == []
        listed = requests.get(f"{api}/v1/jobs", timeout=30).json()["jobs"]
        assert not any("deliveries" in each for each in listed)
        page = requests.get(f"{api}/jobs/{job_id}", timeout=30).text
        assert "HTTP 503, not accepted, after" in page
        assert "deliveries" not in requests.get(f"{api}/jobs/{other}", timeout=30).text
    for command in (("status", job_id), ("webhooks", "log", job_id)):
        out = imagequeue(*command, settings=overrides).out
        assert "job.failed: HTTP 503, not accepted, after" in out
        assert "at a private address that is not trusted" in out
    as_json = imagequeue("webhooks", "log", job_id, "--json", settings=overrides).out
    assert [json.loads(line) for line in as_json.splitlines()] == shown
