"""HTTP: a deadline that nothing outlasts, and errors that say whether anything was sent."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from imagequeue.config.ports import free_port
from imagequeue.worker.connections import is_public
from imagequeue.worker.http import Http, NoAnswerError, NotSentError


@contextmanager
def raw_server(speak: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that says what `speak` says to the first connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            try:
                speak(connection)
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    thread.join(10)
    listener.close()


def drip(connection: socket.socket, start: bytes) -> None:
    """Send a byte now and then, each well within any read timeout, for ten seconds."""
    connection.sendall(start)
    for _ in range(200):
        connection.sendall(b"x")
        time.sleep(0.05)


def get(url: str, deadline_s: float = 5) -> bytes:
    with Http().exchange("GET", url, deadline=time.monotonic() + deadline_s) as response:
        data: bytes = response.raw.read(1 << 20, decode_content=True)
        return data


@pytest.mark.parametrize(
    "start",
    [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"],
    ids=["headers", "body"],
)
def test_a_server_that_drips_does_not_outlast_the_deadline(start: bytes) -> None:
    server = raw_server(lambda connection: drip(connection, start))
    with server as url, pytest.raises(NoAnswerError):
        get(url, deadline_s=0.3)


def test_nothing_was_sent_where_nobody_listens() -> None:
    with pytest.raises(NotSentError, match="refused"):
        get(f"http://127.0.0.1:{free_port()}/")


def test_nothing_was_sent_where_the_name_leads_nowhere() -> None:
    with pytest.raises(NotSentError):
        get("http://no-such-host.invalid/")


def test_nothing_is_sent_after_the_deadline() -> None:
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.3)
        with pytest.raises(NotSentError):
            get(f"http://127.0.0.1:{listener.getsockname()[1]}/", deadline_s=-1)
        try:
            connection, _ = listener.accept()
            heard.append(connection.recv(10))
            connection.close()
        except TimeoutError:
            pass
    assert heard in ([], [b""])


def test_a_connection_that_breaks_after_the_request_is_no_answer() -> None:
    with raw_server(lambda connection: None) as url, pytest.raises(NoAnswerError):
        get(url)


def test_an_error_names_no_url() -> None:
    with pytest.raises(NotSentError) as caught:
        get(f"http://127.0.0.1:{free_port()}/secret-path")
    assert "secret-path" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.216.34", True),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public
