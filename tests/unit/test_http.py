"""HTTP: a deadline that nothing outlasts, and errors that say whether anything was sent."""

import base64
import itertools
import json
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from imagequeue.producer.local.ports import free_port
from imagequeue.worker.http import connections
from imagequeue.worker.http.client import Http, NoResponseError, NotSentError
from imagequeue.worker.http.connections import is_public


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
    with Http().request("GET", url, deadline=time.monotonic() + deadline_s) as response:
        return response.read(1 << 20)


@pytest.mark.parametrize(
    "start",
    [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"],
    ids=["headers", "body"],
)
def test_a_server_that_drips_does_not_outlast_the_deadline(start: bytes) -> None:
    server = raw_server(lambda connection: drip(connection, start))
    with server as url, pytest.raises(NoResponseError):
        get(url, deadline_s=0.3)


def test_a_server_that_goes_silent_late_does_not_outlast_the_deadline() -> None:
    def speak(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx")
        time.sleep(1.5)
        connection.sendall(b"x")
        connection.recv(1)

    started = time.monotonic()
    with raw_server(speak) as url, pytest.raises(NoResponseError, match=r"[Tt]ime"):
        get(url, deadline_s=2)
    assert time.monotonic() - started < 3


def test_a_reader_that_is_slow_does_not_outlast_the_deadline() -> None:
    def read(url: str) -> None:
        with Http().request("GET", url, deadline=time.monotonic() + 0.5) as response:
            for _ in response.iter_bytes():
                time.sleep(0.2)

    server = raw_server(
        lambda connection: drip(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n")
    )
    with server as url, pytest.raises(NoResponseError, match=r"[Tt]ime"):
        read(url)


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
    with raw_server(lambda connection: None) as url, pytest.raises(NoResponseError):
        get(url)


def test_an_error_names_no_url() -> None:
    with pytest.raises(NotSentError) as caught:
        get(f"http://127.0.0.1:{free_port()}/secret-path")
    assert "secret-path" not in str(caught.value)


def test_what_came_before_a_break_is_told() -> None:
    def speak(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nwith the head")
        time.sleep(0.2)
        connection.sendall(b", later")
        time.sleep(0.2)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    told: list[bytes] = []

    def listen(url: str) -> None:
        with Http().request("GET", url, deadline=time.monotonic() + 5) as response:
            told.extend(bytes(piece) for piece in response.iter_bytes())

    with raw_server(speak) as url, pytest.raises(NoResponseError, match="reset"):
        listen(url)
    assert b"".join(told) == b"with the head, later"


class Echo(BaseHTTPRequestHandler):
    """Tells the connection and what was asked; keeps every connection, whatever it is told."""

    protocol_version = "HTTP/1.1"
    made = itertools.count()

    def setup(self) -> None:
        super().setup()
        # Its port would not do: one that was reset is free for the next.
        self.nth = next(self.made)

    def handle_one_request(self) -> None:
        super().handle_one_request()
        self.close_connection = not self.raw_requestline

    def do_GET(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        about = {
            "connection": self.nth,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": self.rfile.read(size).decode(),
        }
        data = json.dumps(about).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Set-Cookie", "seen=1")
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def echo() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def asked(http: Http, url: str, method: str = "GET", most: int = 1 << 20, **options: Any) -> Any:
    with http.request(method, url, deadline=time.monotonic() + 5, **options) as response:
        data = response.read(most)
    return json.loads(data) if len(data) < most else None


def test_a_connection_is_kept_for_the_next_exchange_of_any_thread(echo: str) -> None:
    http, seen = Http(), []
    for _ in range(3):
        one = lambda: seen.append(asked(http, f"http://{echo}/")["connection"])  # noqa: E731
        thread = threading.Thread(target=one)
        thread.start()
        thread.join()
    assert len(set(seen)) == 1 < len(seen)


def test_a_fresh_exchange_has_a_connection_of_its_own(echo: str) -> None:
    """Also find_local_up a server that keeps connections which it was told to close."""
    http = Http()
    seen = [
        asked(http, f"http://{echo}/", reuse_connection=not fresh)["connection"]
        for fresh in (0, 1, 1, 0, 1)
    ]
    assert len(set(seen)) == 4
    assert seen[0] == seen[3]


def test_an_unguarded_connection_is_never_used_guarded(echo: str) -> None:
    http = Http([echo])
    seen = [
        asked(http, f"http://{echo}/", block_private_addresses=guarded)["connection"]
        for guarded in (0, 1, 0, 1)
    ]
    assert seen[0] == seen[2] != seen[1] == seen[3]


def test_a_connection_that_was_closed_while_it_was_idle_is_not_used_again() -> None:
    def speak(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    http = Http()
    with raw_server(speak) as url:
        assert asked(http, url) == {}
    # A request on it would be lost, and nobody could say whether it was read.
    with pytest.raises(NotSentError, match="refused"):
        asked(http, url)


def test_only_so_many_idle_connections_are_kept(echo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_IDLE", 1)
    http, seen = Http(), []
    for _ in range(2):
        with http.request("GET", f"http://{echo}/", deadline=time.monotonic() + 5) as other:
            seen.append(asked(http, f"http://{echo}/")["connection"])
            other.read(1 << 20)
    assert seen[0] != seen[1]


@pytest.mark.parametrize("wbits", [31, 15], ids=["gzip", "zlib"])
def test_an_encoded_answer_is_decoded(wbits: int) -> None:
    def speak(connection: socket.socket) -> None:
        body = zlib.compress(b"x" * 10**6, wbits=wbits)
        head = f"Content-Encoding: gzip\r\nContent-Length: {len(body)}"
        connection.sendall(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode() + body)

    with raw_server(speak) as url:
        assert get(url) == b"x" * 10**6


def test_a_connection_with_an_answer_left_on_it_is_not_used_again(echo: str) -> None:
    http = Http()
    first = asked(http, f"http://{echo}/")["connection"]
    assert asked(http, f"http://{echo}/", "POST", most=5, json="x" * 1_000_000) is None
    assert asked(http, f"http://{echo}/")["connection"] != first


def test_a_request_says_what_it_was_given_and_nothing_of_an_exchange_before(echo: str) -> None:
    http = Http()
    for _ in range(2):
        about = asked(
            http,
            f"http://{echo}/a b?c",
            "POST",
            headers={"user-agent": "mine", "Authorization": "Bearer key"},
            json={"prompt": "é"},
        )
        assert about["path"] == "/a%20b?c"
        assert json.loads(about["body"]) == {"prompt": "é"}
        assert about["headers"] == {
            "host": echo,
            "user-agent": "mine",
            "accept": "*/*",
            "accept-encoding": "gzip",
            "authorization": "Bearer key",
            "content-type": "application/json",
            "content-length": str(len(about["body"])),
        }
    assert asked(http, f"http://{echo}/", params={"id": "a b&c"})["path"] == "/?id=a+b%26c"


def test_a_password_in_a_url_is_used_and_replaces_no_key(echo: str) -> None:
    url = f"http://me:p%40ss@{echo}/"
    expected = "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert asked(Http(), url)["headers"]["authorization"] == expected
    given = asked(Http(), url, headers={"Authorization": "Bearer key"})
    assert given["headers"]["authorization"] == "Bearer key"


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http://", "http://[", "x", "http://.a/"])
def test_nothing_was_sent_to_what_is_no_web_address(url: str) -> None:
    with pytest.raises(NotSentError):
        get(url)


@pytest.mark.parametrize("key", ["s3cr3t\r\nX-More: 1", "s3cr3t-日本"])
def test_nothing_was_sent_with_a_header_that_is_none(echo: str, key: str) -> None:
    with pytest.raises(NotSentError) as caught:
        asked(Http(), f"http://{echo}/", headers={"Authorization": key})
    assert "s3cr3t" not in str(caught.value)


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
