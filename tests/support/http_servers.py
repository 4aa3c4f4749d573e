"""Small HTTP servers on loopback, and a client's way to them."""

import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pycurl

from imagequeue.worker.http.client import HttpClient
from imagequeue.worker.http.message import Request, Response


@contextmanager
def serving(speak: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve every connection that sends a request by calling `speak`; yields the URL."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            if connection.recv(65536):
                speak(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def send(
    url: str,
    *,
    http: HttpClient | None = None,
    method: str = "GET",
    timeout_s: float = 5,
    max_bytes: int = 1 << 20,
    **options: Any,
) -> Response:
    """Send a request before a deadline that is `timeout_s` away."""
    deadline = time.monotonic() + timeout_s
    limits: dict[str, Any] = {"deadline": deadline, "max_bytes": max_bytes}
    return (http or HttpClient()).send(Request(method=method, url=url, **limits, **options))


def set_connect_timeout(http: HttpClient, seconds: float) -> None:
    vars(http)["_options"][pycurl.CONNECTTIMEOUT_MS] = int(seconds * 1000)


def resolve(http: HttpClient, port: int, **names: str) -> None:
    """Let a client's names (`_` for a dot) lead to these addresses, without DNS."""
    entries = [f"{name.replace('_', '.')}:{port}:{to}" for name, to in names.items()]
    vars(http)["_options"][pycurl.RESOLVE] = entries


class Echo(BaseHTTPRequestHandler):
    """Answers with the request and the number of its connection, which it never closes itself."""

    protocol_version = "HTTP/1.1"
    made = itertools.count()

    def setup(self) -> None:
        super().setup()
        # The port is no identity: one that was reset is free for the next connection.
        self.number = next(self.made)

    def handle_one_request(self) -> None:
        with suppress(ConnectionError):
            super().handle_one_request()
        self.close_connection = not getattr(self, "raw_requestline", b"")

    def do_GET(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        about = {
            "connection": self.number,
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


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


@contextmanager
def echoing() -> Iterator[str]:
    """Serve `Echo`; yields its `host:port`."""
    server = _Server(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def bytewise(connection: socket.socket, answer: bytes) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(len(answer)):
        connection.sendall(answer[at : at + 1])
