"""Bodies are limited in size and time, and every request is counted."""

import time

import pytest

from imagequeue.config.http.server import server_options
from imagequeue.config.settings import Settings
from imagequeue.store.counters import Counters
from imagequeue.worker.context import Context
from imagequeue.worker.receiver import application as receiver_module
from imagequeue.worker.receiver.application import (
    MAX_BODY_BYTES,
    create_app,
)
from support.asgi import serving
from support.processes import eventually
from support.worker.receiver import JOB, SHORT_S, connect, drip, head, post, status, url_of


def test_slow_body_is_408_and_not_stored(
    receiver: str, settings: Settings, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_module, "BODY_TIMEOUT_S", SHORT_S)
    with connect(receiver) as sock:
        sock.sendall(head(settings, "Content-Length: 600"))
        drip(sock)
        assert status(sock) == 408
    assert not ctx.inbox.list_unread(JOB)


def test_chunked_body_is_stored_up_to_limit(
    receiver: str, settings: Settings, ctx: Context
) -> None:
    chunks = [b"x" * 1024] * (MAX_BODY_BYTES // 1024)
    assert post(receiver + url_of(settings), iter(chunks)) == 200
    assert post(receiver + url_of(settings), iter([*chunks, b"x"])) == 413
    (stored,) = ctx.inbox.list_unread(JOB).values()
    assert stored.body == b"".join(chunks)


@pytest.mark.parametrize("expect", [(), ("Expect: 100-continue",)], ids=["plain", "expect"])
def test_declared_large_body_is_413_before_it_is_sent(
    receiver: str, settings: Settings, expect: tuple[str, ...]
) -> None:
    with connect(receiver) as sock:
        sock.sendall(head(settings, f"Content-Length: {MAX_BODY_BYTES + 1}", *expect))
        assert status(sock) == 413


def test_expect_header_gets_100_continue(receiver: str, settings: Settings, ctx: Context) -> None:
    with connect(receiver) as sock:
        sock.sendall(head(settings, "Content-Length: 2", "Expect: 100-continue"))
        assert status(sock) == 100
        sock.sendall(b"{}")
        assert status(sock) == 200
    assert len(ctx.inbox.list_unread(JOB)) == 1


def test_every_outcome_of_a_request_is_counted(
    settings: Settings, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_module, "BODY_TIMEOUT_S", SHORT_S)
    monkeypatch.setattr(receiver_module, "FLUSH_COUNTS_EVERY_S", SHORT_S / 10)
    sums = Counters(ctx.store.redis).read
    with serving(create_app(settings), **server_options()) as receiver:
        url = receiver + url_of(settings)
        ctx.store.redis.config_set("maxmemory", "1")
        try:
            assert post(url) == 503
            # Meanwhile the counts cannot be written either.
            time.sleep(SHORT_S)
        finally:
            ctx.store.redis.config_set("maxmemory", "0")
        assert [post(url) for _ in range(3)] == [200] * 3
        assert [post(url + wrong) for wrong in "01"] == [404] * 2
        assert post(url, b"x" * (MAX_BODY_BYTES + 1)) == 413
        with connect(receiver) as sock:
            sock.sendall(head(settings, "Content-Length: 1"))
            assert status(sock) == 408
    ends = {"accepted": 3, "forged": 2, "oversized": 1, "slow": 1, "not_kept": 1}
    expected = {f"callbacks.{name}": count for name, count in ends.items()}
    eventually(lambda: expected.items() <= sums().items())
    stored = {n: count for n, count in sums().items() if n.startswith("callbacks.stored_ms.")}
    assert stored.pop("callbacks.stored_ms.us") > 0
    assert sum(stored.values()) == 3
    assert all(name.startswith("callbacks.stored_ms.le.") for name in stored)
