"""Webhooks are signed, sent in order, and each once."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from standardwebhooks import WebhookVerificationError
from starlette.responses import Response

from imagequeue.config.settings import read_settings
from imagequeue.producer.local.up import read_or_make_secret
from imagequeue.store.webhooks.undelivered import Webhook
from imagequeue.worker.app import make_worker_app
from imagequeue.worker.context import Context
from imagequeue.worker.http.address_guard import AddressGuard
from imagequeue.worker.http.client import HttpClient
from imagequeue.worker.notify import notify
from support.clock import Clock
from support.hostile import hosting
from support.worker.webhooks import (
    OLD_SECRET,
    OTHER_SECRET,
    SECRET,
    TOKEN,
    Heard,
    Listener,
    failed,
    is_over,
    revived,
    tried,
    wake_up,
)

# What is sent


def test_webhook_is_signed_and_holds_the_job(ctx: Context, listener: Listener) -> None:
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
def test_other_secrets_do_not_verify(ctx: Context, listener: Listener, secret: str) -> None:
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


def test_own_url_of_a_job_gets_its_webhook(ctx: Context, listener: Listener) -> None:
    with hosting() as elsewhere:
        vars(ctx)["webhook_http"] = HttpClient(AddressGuard([elsewhere.netloc]))
        job_id = failed(ctx, webhook_url=f"{elsewhere.url}/mine")
        notify(ctx, job_id)
        assert elsewhere.paths == ["/mine"]
    assert listener.heard == []


# Order


def test_events_arrive_in_order_and_once(ctx: Context, listener: Listener) -> None:
    job_id = revived(ctx)
    assert notify(ctx, job_id) is None
    assert listener.types == ["job.failed", "job.succeeded"]
    assert len({heard.id for heard in listener.heard}) == 2
    assert is_over(ctx, job_id)


def test_second_event_waits_for_the_first(ctx: Context, listener: Listener, clock: Clock) -> None:
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


def test_concurrent_workers_send_each_event_once(ctx: Context, listener: Listener) -> None:
    jobs = [revived(ctx) for _ in range(5)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda job_id: notify(ctx, job_id), jobs * 4))
    assert sorted(listener.types) == ["job.failed"] * 5 + ["job.succeeded"] * 5
    assert all(is_over(ctx, job_id) for job_id in jobs)


def test_repeated_message_sends_nothing_twice(ctx: Context, listener: Listener) -> None:
    job_id = failed(ctx)
    for _ in range(3):
        notify(ctx, job_id)
    assert len(listener.heard) == 1


def test_frozen_worker_removes_no_unsent_webhook(
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


# What is not logged


@pytest.mark.parametrize("status", [204, 302, 410, 500])
def test_no_url_or_secret_is_logged(
    ctx: Context, listener: Listener, capsys: pytest.CaptureFixture[str], status: int
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


def test_webhook_waits_for_a_secret(ctx: Context, listener: Listener, clock: Clock) -> None:
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


def test_up_creates_one_private_secret(tmp_path: Path) -> None:
    path = tmp_path / "data" / "webhook_secret"
    made = read_or_make_secret(path, prefix="whsec_")
    assert read_or_make_secret(path, prefix="whsec_") == made
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_settings(webhook_secret=made).webhook_secrets == (made,)
    assert read_or_make_secret(tmp_path / "another", prefix="whsec_") != made
