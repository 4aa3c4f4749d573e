"""A running sandbox, used over HTTP, and a receiver of its callbacks."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

from support.processes import eventually

COMMAND = [sys.executable, "-m", "imagequeue.sandbox", "--port", "0"]
# Ten sandbox minutes in a second: a task is done in 10 ms, the last callback retry comes after 2 s.
QUICK = ["--speed", "600", "--latency", "6", "--kie-limit", "0"]


class Sandbox:
    """A running sandbox, used over HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, path: str, key: str = "key", **options: Any) -> requests.Response:
        url = path if path.startswith("http") else self.url + path
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return requests.request(method, url, headers=headers, timeout=30, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.ask("GET", path, **options)

    def post(self, path: str, body: Any, **options: Any) -> requests.Response:
        return self.ask("POST", path, json=body, **options)

    def flux(self, prompt: str, **fields: Any) -> Any:
        """Submit to kie's Flux Kontext; return the body of the response."""
        return self.post("/api/v1/flux/kontext/generate", {"prompt": prompt, **fields}).json()

    def submissions(self, prompt: str) -> list[dict[str, Any]]:
        accepted = self.get("/sandbox/submissions").json()
        return [one for one in accepted if one["prompt"] == prompt]

    def ended(self, path: str, task_id: str, state: str, value: object) -> Any:
        """Poll a kie task until a field of its record has a value; return the record."""

        def look() -> Any:
            record = self.get(path, params={"taskId": task_id}).json()["data"]
            return record if record[state] == value else None

        return eventually(look)


@contextmanager
def running(*flags: str) -> Iterator[Sandbox]:
    with subprocess.Popen([*COMMAND, *flags], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Sandbox(process.stdout.readline().split()[-1])
        finally:
            process.terminate()


class Receiver:
    """Accepts callbacks; responds with the statuses in `answers`, then with 200."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: list[int] = []
        self.received: list[tuple[str, dict[str, str], Any]] = []

    def wait(self, path: str, count: int = 1) -> list[Any]:
        """Return the bodies posted to a path once there are `count`."""
        eventually(lambda: len(self.bodies(path)) >= count)
        return self.bodies(path)

    def bodies(self, path: str) -> list[Any]:
        return [body for where, _, body in self.received if where == path]

    def headers(self, path: str) -> dict[str, str]:
        return next(headers for where, headers, _ in self.received if where == path)


@contextmanager
def receiving() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            receiver.received.append((self.path, dict(self.headers), body))
            self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        yield receiver
        server.shutdown()
