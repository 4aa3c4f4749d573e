"""HTTP connections: kept for later requests, checked again, never shared, never sent on twice."""

import json
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pycurl
import pytest

from imagequeue.worker.http import client
from imagequeue.worker.http.address_guard import AddressGuard
from imagequeue.worker.http.client import HttpClient
from imagequeue.worker.http.errors import NoResponseError, PrivateAddressError
from support.http_servers import echoing, resolve, send, serving


@pytest.fixture
def echo() -> Iterator[str]:
    with echoing() as netloc:
        yield netloc


def connection_of(http: HttpClient, netloc: str, **options: Any) -> int:
    body = send(f"http://{netloc}/", http=http, **options).body
    number: int = json.loads(body)["connection"]
    return number


def test_a_connection_is_kept_for_requests_of_any_thread(echo: str) -> None:
    http = HttpClient()
    seen: list[int] = []
    for _ in range(3):
        thread = threading.Thread(target=lambda: seen.append(connection_of(http, echo)))
        thread.start()
        thread.join()
    assert len(seen) == 3
    assert len(set(seen)) == 1


def test_a_new_connection_is_made_on_demand_and_not_kept(echo: str) -> None:
    http = HttpClient()
    seen = [connection_of(http, echo, reuse_connection=reuse) for reuse in (1, 0, 0, 1, 0)]
    assert len(set(seen)) == 4
    assert seen[0] == seen[3]


def test_150_threads_share_a_client(echo: str) -> None:
    http, together = HttpClient(), threading.Barrier(150)

    def request(number: int) -> str:
        together.wait(30)
        options = {"json": number, "reuse_connection": bool(number % 2)}
        url = f"http://{echo}/{number}"
        answers = [send(url, http=http, method="POST", timeout_s=60, **options) for _ in range(3)]
        (body,) = {json.loads(answer.body)["body"] for answer in answers}
        return str(body)

    with ThreadPoolExecutor(150) as threads:
        assert list(threads.map(request, range(150))) == [str(number) for number in range(150)]
    assert len(client._idle) <= 64


def test_a_request_inside_a_receiver_has_its_own_connection(echo: str) -> None:
    http = HttpClient()
    seen: list[int] = []

    def write(body: bytes) -> None:
        seen.extend((json.loads(body)["connection"], connection_of(http, echo)))

    send(f"http://{echo}/", http=http, receiver=lambda _: write)
    outer, inner = seen
    assert outer != inner


FORKING = """
import json, os, sys, time
from imagequeue.worker.http.client import HttpClient
from imagequeue.worker.http.message import Request

http = HttpClient()

def ask():
    url = sys.argv[1]
    deadline = time.monotonic() + 9
    response = http.send(Request(method="GET", url=url, deadline=deadline, max_bytes=9999))
    print(json.loads(response.body)["connection"], flush=True)

ask()
if child := os.fork():
    assert os.waitpid(child, 0)[1] == 0
    ask()
else:
    ask()
    os._exit(0)
"""


def test_no_connection_crosses_a_fork(echo: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORKING, f"http://{echo}/"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    before, in_child, after = run.stdout.split()
    assert before != in_child != after


def dying(heard: list[bytes]) -> Any:
    """A server whose first request on a connection is answered, and whose second kills it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                heard.append(connection.recv(65536).split(b" ")[0])
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                heard.append(connection.recv(65536).split(b" ")[0])

    threading.Thread(target=serve, daemon=True).start()
    return listener


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_free_request_on_a_dead_kept_connection_is_repeated(method: str) -> None:
    heard: list[bytes] = []
    with dying(heard) as listener:
        url, http = f"http://127.0.0.1:{listener.getsockname()[1]}/", HttpClient()
        assert [send(url, http=http, method=method).body for _ in range(2)] == [b"ok", b"ok"]
        listener.shutdown(socket.SHUT_RDWR)
    assert heard[:3] == [method.encode()] * 3


@pytest.mark.parametrize("has_reset", [False, True])
def test_paid_request_is_sent_once_on_any_connection(has_reset: bool) -> None:
    heard: list[socket.socket] = []

    def speak(connection: socket.socket) -> None:
        heard.append(connection)
        if has_reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    http = HttpClient()
    with serving(speak) as url:
        with pytest.raises(NoResponseError):
            send(url, http=http, method="POST", data=b"pay", reuse_connection=False)
        assert len(heard) == 1


def test_libcurl_may_not_repeat_a_paid_request(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []
    # As if libcurl had taken a connection from before.
    monkeypatch.setattr("pycurl.FRESH_CONNECT", pycurl.TCP_NODELAY)
    monkeypatch.setattr("pycurl.FORBID_REUSE", pycurl.TCP_NODELAY)
    with dying(heard) as listener:
        url, http = f"http://127.0.0.1:{listener.getsockname()[1]}/", HttpClient()
        assert send(url, http=http).body == b"ok"
        with pytest.raises(NoResponseError, match="without a response"):
            send(url, http=http, method="POST", data=b"pay", reuse_connection=False)
        listener.shutdown(socket.SHUT_RDWR)
    assert heard[:2] == [b"GET", b"POST"]
    assert b"POST" not in heard[2:]


def test_connection_closed_while_idle_is_not_used_again() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    http = HttpClient()
    with serving(lambda connection: connection.sendall(answer)) as url:
        for _ in range(5):
            assert send(url, http=http, method="POST").body == b"{}"


def test_a_connection_with_an_unread_rest_is_not_used_again(echo: str) -> None:
    http = HttpClient()
    first = connection_of(http, echo)
    body = send(f"http://{echo}/", http=http, method="POST", max_bytes=5, json="x" * 1_000_000).body
    assert len(body) == 5
    assert connection_of(http, echo) != first


def test_a_kept_connection_is_checked_again_when_guarded(echo: str) -> None:
    http, port = HttpClient(AddressGuard([echo])), int(echo.split(":")[1])
    resolve(http, port, inside_example="127.0.0.1")
    connection_of(http, f"inside.example:{port}")
    with pytest.raises(PrivateAddressError, match=r"^127\.0\.0\.1 is a private address$"):
        connection_of(http, f"inside.example:{port}", block_private_addresses=True)
