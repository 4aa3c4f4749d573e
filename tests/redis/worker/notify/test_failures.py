"""A webhook that fails is sent again, to public addresses only."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from starlette.responses import Response, StreamingResponse

from imagequeue.config.queues import Queue
from imagequeue.jobs.job import add_seconds
from imagequeue.producer.local.ports import free_port
from imagequeue.worker import notify as notify_module
from imagequeue.worker.app import make_worker_app
from imagequeue.worker.context import Context
from imagequeue.worker.http.address_guard import AddressGuard
from imagequeue.worker.http.client import HttpClient
from imagequeue.worker.notify import notify
from support.clock import Clock
from support.hostile import Asked, Speak, drip, hosting, raw, reset, says, silence
from support.worker.webhooks import Heard, Listener, failed, is_over, revived, tried, wake_up


def late_success(connection: socket.socket, asked: Asked) -> None:
    time.sleep(2 * notify_module.TIMEOUT_S)
    says(204)(connection, asked)


def endless(_: Heard) -> Response:
    def body() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    return StreamingResponse(body())


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_a_delivery(ctx: Context, listener: Listener, status: int) -> None:
    listener.answer = lambda _: status
    job_id = failed(ctx)
    assert notify(ctx, job_id) is None
    assert is_over(ctx, job_id)


def test_2xx_with_endless_body_is_a_delivery(ctx: Context, listener: Listener) -> None:
    listener.answer = endless
    job_id = failed(ctx)
    assert notify(ctx, job_id) is None
    assert is_over(ctx, job_id)


@pytest.mark.parametrize("status", [300, 304, 400, 401, 404, 408, 429, 500, 502, 503])
def test_other_statuses_are_sent_again(
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
def test_redirect_is_not_followed(ctx: Context, listener: Listener, status: int) -> None:
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
def test_missing_response_is_sent_again(
    ctx: Context, monkeypatch: pytest.MonkeyPatch, speak: Speak
) -> None:
    monkeypatch.setattr(notify_module, "TIMEOUT_S", 0.5)
    with hosting() as host:
        host.speak = speak
        vars(ctx)["webhook_http"] = HttpClient(AddressGuard([host.netloc]))
        job_id = failed(ctx, webhook_url=host.url)
        assert notify(ctx, job_id) is not None
        assert len(host.asked) == 1
    assert len(ctx.outbox.list_unsent(job_id)) == 1


@pytest.mark.parametrize(
    "url", ["http://no-such-host.invalid/", "http://a..b/", "http://x:99999/", "http://[::"]
)
def test_invalid_url_is_tried_again(ctx: Context, url: str) -> None:
    job_id = failed(ctx, webhook_url=url)
    assert notify(ctx, job_id) is not None
    assert len(ctx.outbox.list_unsent(job_id)) == 1


def test_refused_connection_is_tried_again(ctx: Context) -> None:
    netloc = f"127.0.0.1:{free_port()}"
    vars(ctx)["webhook_http"] = HttpClient(AddressGuard([netloc]))
    assert notify(ctx, failed(ctx, webhook_url=f"http://{netloc}")) is not None


class TestPrivateAddresses:
    @pytest.fixture
    def overrides(self, overrides: dict[str, str], listener: Listener) -> dict[str, str]:
        """A host that is trusted for downloads is not trusted for webhooks."""
        hosts = {"download_trusted_hosts": listener.netloc, "webhook_trusted_hosts": ""}
        return {**overrides, **hosts, "webhook_url": ""}

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"])
    def test_nothing_is_sent_to_a_private_address(
        self, ctx: Context, listener: Listener, host: str
    ) -> None:
        port = listener.netloc.rpartition(":")[2]
        job_id = failed(ctx, webhook_url=f"http://{host}:{port}/")
        assert notify(ctx, job_id) is not None
        assert listener.heard == []
        assert len(ctx.outbox.list_unsent(job_id)) == 1


def test_worker_lost_after_response_sends_same_event(
    ctx: Context, listener: Listener, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = revived(ctx)

    def die(*_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(ctx.outbox, "mark_delivered", die)
        with pytest.raises(SystemExit):
            notify(ctx, job_id)
    clock.advance(2 * ctx.settings.lease_s)
    assert ctx.dispatcher.sweep(Queue.NOTIFY, clock()).dispatched == [job_id]
    notify(ctx, job_id)
    assert listener.types == ["job.failed", "job.failed", "job.succeeded"]
    assert listener.heard[0].id == listener.heard[1].id
    assert is_over(ctx, job_id)


def test_redis_outage_after_response_postpones(
    ctx: Context, listener: Listener, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_worker_app(ctx.settings, now=clock)
    job_id = failed(ctx)

    def away(*_: Any) -> None:
        raise RedisConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(app.context.outbox, "mark_delivered", away)  # type: ignore[attr-defined]
        app.tasks["imagequeue.notify"](job_id)
    assert wake_up(ctx, job_id) == add_seconds(clock(), 15)
    clock.advance(15)
    app.tasks["imagequeue.notify"](job_id)
    assert len({heard.id for heard in listener.heard}) == 1
    assert is_over(ctx, job_id)
