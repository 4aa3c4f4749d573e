"""The API among strangers: connections, heads, bodies, waits and log lines have their bounds."""

import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from urllib.parse import urlsplit

import pytest
import requests

from imagequeue.config.http import bounded_protocol
from imagequeue.config.http.server import server_options
from imagequeue.config.settings import Settings
from imagequeue.producer.api import application, body_limit
from imagequeue.producer.api import listeners as listeners_module
from imagequeue.producer.api.application import create_app
from imagequeue.producer.local.ports import free_port
from imagequeue.worker.context import Context
from support.asgi import serving
from support.jobs import queued
from support.processes import Process, answers, eventually

Start = Callable[..., Process]
SHORT_S = 0.3


@pytest.fixture
def api(settings: Settings) -> Iterator[str]:
    with serving(create_app(settings), **server_options()) as url:
        yield url


def connect(url: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=10)


def test_silent_connection_is_dropped(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_protocol, "HEAD_TIMEOUT_S", SHORT_S)
    with closing(connect(api)) as sock, suppress(ConnectionResetError):
        assert sock.recv(65536) == b""


def test_dripping_body_gets_408(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limit, "BODY_TIMEOUT_S", SHORT_S)
    head = "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\nContent-Type: {}\r\n\r\n"
    for path, kind in (
        ("/v1/jobs", "application/json"),
        ("/v1/batches", "application/x-ndjson"),
        ("/login", "application/x-www-form-urlencoded"),
    ):
        with closing(connect(api)) as sock:
            sock.sendall(head.format(path, kind).encode() + b"{")
            assert sock.recv(65536).startswith(b"HTTP/1.1 408 ")


def test_body_that_keeps_its_pace_may_take_longer(
    api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_limit, "BODY_TIMEOUT_S", SHORT_S)
    monkeypatch.setattr(body_limit, "MAX_BYTES", 10)

    def send_slowly() -> Iterator[bytes]:
        for _ in range(5):
            yield b" " * 20
            time.sleep(SHORT_S)

    kind = {"Content-Type": "application/x-ndjson"}
    answer = requests.post(f"{api}/v1/batches", send_slowly(), headers=kind, timeout=30)
    assert answer.status_code == 422


@pytest.mark.parametrize("path", ["?wait=60", "/events", "stream"])
def test_excess_waits_and_streams_get_429(
    settings: Settings, ctx: Context, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(listeners_module, "count_max_connections", lambda: 4)
    listeners = listeners_module.Listeners()
    monkeypatch.setattr(application, "Listeners", lambda: listeners)
    job_id = queued(ctx)
    with serving(create_app(settings)) as api, ExitStack() as open_ones:
        url = f"{api}/v1/events" if path == "stream" else f"{api}/v1/jobs/{job_id}{path}"
        target = url.removeprefix(api).encode()
        for _ in range(2):
            sock = open_ones.enter_context(closing(connect(api)))
            sock.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        eventually(lambda: listeners.count() == 2)
        refused = requests.get(url, timeout=30)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
        assert requests.get(f"{api}/v1/jobs/{job_id}", timeout=30).ok
        open_ones.close()
        eventually(lambda: listeners.count() == 0)
        assert requests.get(f"{api}/v1/jobs/{job_id}?wait=0.01", timeout=30).ok


def test_waits_of_all_callers_are_limited(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listeners_module, "count_max_connections", lambda: 4)
    listeners = listeners_module.Listeners()
    with ExitStack() as held:
        for name in ("one", "two", "two"):
            held.enter_context(listeners.hold(listeners_module.Caller(name)))
        with pytest.raises(listeners_module.HTTPException) as caught:
            held.enter_context(listeners.hold(listeners_module.Caller("three")))
        assert (caught.value.status_code, caught.value.headers) == (503, {"Retry-After": "5"})
    with listeners.hold(listeners_module.Caller("three")):
        pass


LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
sys.argv = ["imagequeue", "--port", sys.argv[2]]
runpy.run_module({module!r}, run_name="__main__")
"""


@pytest.mark.parametrize(
    "module", ["imagequeue.producer.api", "imagequeue.worker.receiver"], ids=["api", "receiver"]
)
def test_silent_connections_neither_hang_nor_fill_the_log(start: Start, module: str) -> None:
    port = free_port()
    process = start(sys.executable, "-c", LIMITED.format(module=module), "--port", str(port))
    url = f"http://127.0.0.1:{port}"
    eventually(lambda: answers(f"{url}/healthz"))
    before = len(process.output)
    with ExitStack() as silent:
        for number in range(600):
            silent.enter_context(closing(connect(url)))
            # With its limit reached, it still says so at once; silent clients are hung up on.
            if number % 20 == 19 and status_of(f"{url}/healthz") == 503:
                break
        else:
            pytest.fail("its limit was never reached")
    eventually(lambda: answers(f"{url}/healthz"))
    assert len(process.output) - before < 2000, process.output[-3000:]


def status_of(url: str) -> int:
    try:
        return requests.get(url, timeout=5).status_code
    except requests.RequestException:
        return 0
