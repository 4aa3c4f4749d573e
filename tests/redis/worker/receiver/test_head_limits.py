"""Request heads are limited in size and time, and connections in number."""

import socket
import time

import pytest

from imagequeue.config.http import bounded_protocol
from imagequeue.config.http.bounded_protocol import MAX_HEAD_BYTES
from imagequeue.config.http.server import server_options
from imagequeue.config.settings import Settings
from imagequeue.worker.context import Context
from imagequeue.worker.receiver.application import (
    create_app,
)
from support.asgi import serving
from support.processes import eventually
from support.worker.receiver import (
    JOB,
    SHORT_S,
    Start,
    connect,
    drip,
    head,
    post,
    run_receiver,
    status,
    url_of,
)


def whole(settings: Settings, body: bytes = b"{}") -> bytes:
    return head(settings, f"Content-Length: {len(body)}") + body


def is_dropped(sock: socket.socket) -> bool:
    """Whether the other side hangs up, after whatever it still has to say."""
    try:
        while sock.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionResetError:
        pass
    return True


def test_slow_head_is_dropped(
    receiver: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_protocol, "HEAD_TIMEOUT_S", SHORT_S)
    with connect(receiver) as sock:
        sock.sendall(head(settings)[:-2])
        drip(sock)
        assert is_dropped(sock)


def test_slow_second_head_is_dropped(
    receiver: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_protocol, "HEAD_TIMEOUT_S", SHORT_S)
    with connect(receiver) as sock:
        sock.sendall(whole(settings))
        assert status(sock) == 200
        sock.sendall(head(settings)[:-2])
        drip(sock)
        assert is_dropped(sock)


def test_second_request_is_served_after_a_pause(
    receiver: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_protocol, "HEAD_TIMEOUT_S", SHORT_S)
    with connect(receiver) as sock:
        for _ in range(2):
            sock.sendall(whole(settings))
            assert status(sock) == 200
            # The pause between two requests is not a slow head.
            time.sleep(2 * SHORT_S)
        sock.sendall(whole(settings))
        assert status(sock) == 200


def test_silent_connection_is_dropped(receiver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_protocol, "HEAD_TIMEOUT_S", SHORT_S)
    with connect(receiver) as sock:
        assert is_dropped(sock)


@pytest.mark.parametrize("end", ["", "\r\n\r\n"], ids=["endless", "whole"])
def test_too_large_head_is_refused(
    receiver: str, settings: Settings, ctx: Context, end: str
) -> None:
    with connect(receiver) as sock:
        sock.sendall(head(settings)[:-2] + b"X: " + b"x" * MAX_HEAD_BYTES + end.encode())
        assert status(sock) == 400
        assert is_dropped(sock)
    assert not ctx.inbox.list_unread(JOB)


def test_large_head_within_limit_is_served(receiver: str, settings: Settings) -> None:
    long = head(settings, "X: " + "x" * (MAX_HEAD_BYTES - 300), "Content-Length: 0")
    with connect(receiver) as sock:
        sock.sendall(long[:-100])
        # Lets the receiver see an incomplete head.
        time.sleep(0.1)
        sock.sendall(long[-100:])
        assert status(sock) == 200


def test_excess_connections_are_503_until_some_close(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(create_app(settings), **server_options(5)) as receiver:
        url = receiver + url_of(settings)
        idle = [connect(receiver) for _ in range(5)]
        assert post(url) == 503
        for sock in idle:
            sock.close()
        eventually(lambda: post(url) == 200)


def test_http_1_0_is_served_and_closed(receiver: str, settings: Settings) -> None:
    with connect(receiver) as sock:
        sock.sendall(head(settings, "Content-Length: 2", version="1.0") + b"{}")
        assert status(sock) == 200
        assert is_dropped(sock)


def test_partial_and_malformed_requests_are_not_logged(
    start: Start, settings: Settings, ctx: Context
) -> None:
    process, receiver = run_receiver(start)
    before = process.output
    for garbage in (b"\x16\x03\x01\x02\x00\x01", b"SSH-2.0-x\r\n\r\n", b"GET /\r\n"):
        with connect(receiver) as sock:
            sock.sendall(garbage + b"\r\n\r\n")
            assert status(sock) == 400
    for half in (head(settings, "Content-Length: 100") + b"x" * 50, whole(settings)[:20]):
        for _ in range(20):
            with connect(receiver) as sock:
                sock.sendall(half)
    assert post(receiver + url_of(settings), b"whole") == 200
    assert [callback.body for callback in ctx.inbox.list_unread(JOB).values()] == [b"whole"]
    assert process.output == before
    process.stop()
    assert "Traceback" not in process.output
