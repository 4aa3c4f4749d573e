"""A server before an API: it loses requests and answers, or answers itself, as a test says."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

SKIPPED = ("transfer-encoding", "content-length", "connection", "date", "server")


class Flaky:
    """What happens to the next requests, and what was sent."""

    def __init__(self) -> None:
        self.url = ""
        self.faults: list[str | int] = []
        """For each request `lose request`, `lose answer`, `cut answer` or a status; else none."""
        self.retry_after: str | None = "0"
        self.seen: list[tuple[str, str, str | None]] = []
        """Method, path and idempotency key of each request."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        pass


@contextmanager
def flaky(api: str) -> Iterator[Flaky]:
    """Serve before the API at a URL."""
    state = Flaky()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            state.seen.append((self.command, self.path, self.headers.get("idempotency-key")))
            fault = state.faults.pop(0) if state.faults else None
            if fault == "lose request":
                return
            if isinstance(fault, int):
                self._answer(fault, b'{"detail": "not now"}')
                return
            headers = {k: v for k, v in self.headers.items() if k.lower() != "host"}
            url = api + self.path
            found = requests.request(self.command, url, data=body, headers=headers, timeout=70)
            if fault == "lose answer":
                return
            self._answer(found.status_code, found.content, cut=fault == "cut answer")

        do_POST = do_GET  # noqa: N815

        def _answer(self, status: int, body: bytes, *, cut: bool = False) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if status in (429, 503) and state.retry_after is not None:
                self.send_header("Retry-After", state.retry_after)
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)

        def log_message(self, *_: Any) -> None:
            pass

    with _Server(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield state
        server.shutdown()
