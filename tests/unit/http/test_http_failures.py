"""HTTP failures: nothing outlasts the deadline, and each error says whether anything was sent."""

import socket
import struct
import time
from types import SimpleNamespace

import pycurl
import pytest

from imagequeue.producer.local.ports import free_port
from imagequeue.worker.http.client import HttpClient
from imagequeue.worker.http.errors import InvalidUrlError, NoResponseError, NotSentError
from imagequeue.worker.http.message import Request
from support.hostile import hosting
from support.http_servers import echoing, send, serving

OK = b"HTTP/1.1 200 OK\r\n"


def drip(connection: socket.socket, start: bytes) -> None:
    """Send a byte now and then, each well within any read timeout, for ten seconds."""
    connection.sendall(start)
    for _ in range(200):
        connection.sendall(b"x")
        time.sleep(0.05)


@pytest.mark.parametrize(
    "start",
    [OK + b"X-Slow: ", OK + b"Content-Length: 99999\r\n\r\n"],
    ids=["headers", "body"],
)
def test_a_dripping_server_does_not_outlast_the_deadline(start: bytes) -> None:
    server = serving(lambda connection: drip(connection, start))
    with server as url, pytest.raises(NoResponseError, match=r"[Tt]ime"):
        send(url, timeout_s=0.3)


def test_a_silent_server_does_not_outlast_the_deadline() -> None:
    with (
        serving(lambda connection: connection.recv(1) and None) as url,
        pytest.raises(NoResponseError, match=r"[Tt]ime"),
    ):
        send(url, timeout_s=0.3)


def test_a_slow_receiver_does_not_outlast_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagequeue.worker.http.transfer.CHUNK_BYTES", 1)
    start = OK + b"Content-Length: 999\r\n\r\n"
    with (
        serving(lambda connection: drip(connection, start)) as url,
        pytest.raises(NoResponseError, match=r"[Tt]ime"),
    ):
        send(url, timeout_s=0.3, receiver=lambda _: lambda _: time.sleep(0.06))


def test_a_resolver_that_hangs_does_not_outlast_the_deadline() -> None:
    http = HttpClient()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        resolver = f"https://127.0.0.1:{silent.getsockname()[1]}/dns-query"
        vars(http)["_options"][pycurl.DOH_URL] = resolver
        with pytest.raises(NotSentError, match=r"[Tt]ime"):
            send("http://images.example/", http=http, timeout_s=0.3)


def test_the_systems_resolver_does_not_block_libcurl() -> None:
    assert pycurl.version_info()[4] & pycurl.VERSION_ASYNCHDNS


def test_a_silent_download_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagequeue.worker.http.client.MAX_SILENCE_S", 1)
    received: list[bytes] = []

    def speak(connection: socket.socket) -> None:
        connection.sendall(OK + b"Content-Length: 99\r\n\r\nx")
        connection.recv(1)

    with serving(speak) as url, pytest.raises(NoResponseError, match=r"[Tt]ime"):
        send(url, timeout_s=60, receiver=lambda _: received.append)
    assert received == [b"x"]


def test_nothing_was_sent_where_nobody_listens() -> None:
    with pytest.raises(NotSentError, match="refused"):
        send(f"http://127.0.0.1:{free_port()}/")


def test_nothing_was_sent_to_an_unknown_name() -> None:
    with pytest.raises(NotSentError, match="hostname"):
        send("http://no-such-host.invalid/")


def test_nothing_is_sent_after_the_deadline() -> None:
    with serving(lambda _: None) as url, pytest.raises(NotSentError, match=r"[Tt]ime"):
        send(url, timeout_s=-1)


def test_a_worker_frozen_past_its_deadline_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = iter([0.0])
    # The clock of the first look is early, that of the look before the first byte late.
    clock = SimpleNamespace(monotonic=lambda: next(moved, 1e12))
    monkeypatch.setattr("imagequeue.worker.http.transfer.time", clock)
    with hosting() as host, pytest.raises(NotSentError, match=r"[Tt]ime"):
        HttpClient().send(Request(method="POST", url=host.url, deadline=60.0, data=b"x"))
    assert host.asked == []


def test_connection_broken_after_the_request_is_no_response() -> None:
    with serving(lambda connection: None) as url, pytest.raises(NoResponseError, match="nothing"):
        send(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/s3cret", "http://s3cret.invalid/"])
def test_an_error_never_quotes_the_url(url: str) -> None:
    with pytest.raises(NotSentError) as caught:
        send(url.format(port=free_port()))
    assert "s3cret" not in str(caught.value)


def test_what_came_before_a_break_is_delivered() -> None:
    def speak(connection: socket.socket) -> None:
        connection.sendall(OK + b"Content-Length: 99\r\n\r\nwith the head")
        time.sleep(0.1)
        connection.sendall(b", later")
        time.sleep(0.1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    received: list[bytes] = []
    with serving(speak) as url, pytest.raises(NoResponseError, match="reset"):
        send(url, receiver=lambda _: received.append)
    assert b"".join(received) == b"with the head, later"


class _FullError(BaseException):
    """Not even an Exception."""


@pytest.mark.parametrize("at", ["head", "body", "last piece"])
@pytest.mark.parametrize(
    "error", [OSError(28, "disk full"), _FullError()], ids=["OSError", "other"]
)
def test_what_a_receiver_raises_comes_out_unchanged(
    at: str,
    error: BaseException,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("imagequeue.worker.http.transfer.CHUNK_BYTES", 10 if at == "body" else 999)

    def fail(*_: object) -> None:
        raise error

    body = OK + b"Content-Length: 500\r\n\r\n" + bytes(500)
    server = serving(lambda connection: connection.sendall(body))
    with server as url, pytest.raises(type(error)) as caught:
        send(url, receiver=fail if at == "head" else lambda _: fail)
    assert caught.value is error
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http://", "http://[", "x", "http://.a/"])
def test_nothing_was_sent_to_an_invalid_url(url: str) -> None:
    with pytest.raises(InvalidUrlError):
        send(url)


@pytest.mark.parametrize("key", ["s3cr3t\r\nX-More: 1", "s3cr3t\nb", "s3cr3t\0b", "s3cr3t-日本"])
def test_nothing_was_sent_with_an_invalid_header(key: str) -> None:
    for headers in ({"Authorization": key}, {key: "value"}):
        with echoing() as netloc, pytest.raises(NotSentError) as caught:
            send(f"http://{netloc}/", headers=headers)
        assert "s3cr3t" not in str(caught.value)


def test_nothing_was_sent_of_a_body_that_json_cannot_hold() -> None:
    with echoing() as netloc, pytest.raises(NotSentError):
        send(f"http://{netloc}/", method="POST", json=float("nan"))
