"""The sandbox as a command; the other sandbox tests borrow its server and receiver from here."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

import imagequeue.sandbox
from imagequeue.sandbox.__main__ import main
from imagequeue.sandbox.rates import RATES
from imagequeue.sandbox.trouble_words import WORDS

COMMAND = [sys.executable, "-m", "imagequeue.sandbox", "--port", "0"]
# Ten sandbox minutes in a second: a task is done in 10 ms, the last callback retry comes after 2 s.
QUICK = ["--speed", "600", "--latency", "6", "--kie-limit", "0"]


class Sandbox:
    """A running sandbox, spoken to over HTTP."""

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
        """Submit to kie's Flux Kontext; return the body of the answer."""
        return self.post("/api/v1/flux/kontext/generate", {"prompt": prompt, **fields}).json()

    def submissions(self, prompt: str) -> list[dict[str, Any]]:
        accepted = self.get("/sandbox/submissions").json()
        return [one for one in accepted if one["prompt"] == prompt]

    def ended(self, path: str, task_id: str, state: str, value: object) -> Any:
        """Poll a kie task until a field of its record has a value; return the record."""

        def look() -> Any:
            record = self.get(path, params={"taskId": task_id}).json()["data"]
            return record if record[state] == value else None

        return until(look)


@contextmanager
def running(*flags: str) -> Iterator[Sandbox]:
    with subprocess.Popen([*COMMAND, *flags], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Sandbox(process.stdout.readline().split()[-1])
        finally:
            process.terminate()


class Receiver:
    """Takes callbacks; answers with the statuses in `answers`, then with 200."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: list[int] = []
        self.received: list[tuple[str, dict[str, str], Any]] = []

    def wait(self, path: str, count: int = 1) -> list[Any]:
        """Return the bodies posted to a path once there are `count`."""
        until(lambda: len(self.bodies(path)) >= count)
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


def until(look: Callable[[], Any], deadline_s: float = 20) -> Any:
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def test_starts_explains_itself_and_stops_with_a_callback_under_way(tmp_path: Path) -> None:
    log = tmp_path / "submissions.jsonl"
    process = subprocess.Popen(
        [*COMMAND, *QUICK, "--log", str(log)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    sandbox = Sandbox(process.stdout.readline().split()[-1])
    # A receiver that accepts connections and never answers.
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:
        sandbox.flux("a cat", callBackUrl=f"http://127.0.0.1:{silent.server_port}/")
        sent = lambda: sandbox.get("/sandbox/ledger").json()["total"]["callbacks_sent"]  # noqa: E731
        until(sent)
        assert sandbox.get("/healthz", key="").json() == {"status": "ok"}
        assert "[answer=lost]" in sandbox.get("/", key="").text
        process.terminate()
        rest, _ = process.communicate(timeout=10)
    assert (process.returncode, rest) == (0, "")
    (line,) = map(json.loads, log.read_text().splitlines())
    assert line["prompt"] == "a cat"
    assert line["charged"] == 5


def test_a_port_in_use_is_one_clear_line() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as taken:
        command = [*COMMAND[:-1], str(taken.server_port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert done.stderr == (
        f"Error: cannot listen on 127.0.0.1:{taken.server_port}: Address already in use\n"
    )


@pytest.mark.parametrize("flag", ["answer_lost", "answer_lost=2", "answer_lots=0.5"])
def test_a_wrong_rate_is_refused_at_the_start(flag: str) -> None:
    done = subprocess.run([*COMMAND, "--trouble", flag], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert "answer_lost" in done.stderr


def test_the_readme_names_every_flag_word_and_rate() -> None:
    readme = Path(imagequeue.sandbox.__path__[0], "README.md").read_text()
    flags = {flag for option in main.params for flag in option.opts}
    words = {f"[{word.syntax}]" for word in WORDS}
    missing = [name for name in (*flags, *words, *RATES) if f"`{name}" not in readme]
    assert missing == []
