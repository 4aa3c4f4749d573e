"""Without keys, this user's programs on this machine have access, and no proxy in front."""

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from typing import Any

import pytest
import requests

from imagequeue.config.http.bounded_protocol import BoundedProtocol
from imagequeue.config.settings import Settings
from imagequeue.producer.api.application import create_app
from imagequeue.worker.context import Context
from support.asgi import serving
from support.reverse_proxy import reverse_proxying

REQUEST = {"provider": "acedata-flux", "prompt": "a stranger's cat"}
HURRIED = f"""
import encodings.idna, os, socket, sys
os.setuid(65534)
body = {json.dumps(REQUEST)!r}.encode()
head = "POST /v1/jobs HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Type: application/json\\r\\n"
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    connection.sendall(f"{{head}}Content-Length: {{len(body)}}\\r\\n\\r\\n".encode() + body)
"""


@pytest.mark.parametrize(
    ("version", "headers"),
    [
        ("1.0", ["Connection: close"]),  # nginx before 1.29.7
        ("1.0", []),
        ("1.1", ["Connection: close"]),
        ("1.1", ["Connection: Keep-Alive, Close"]),
        *(
            ("1.1", [f"{name}: 203.0.113.9"])
            for name in (
                *("Via", "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Ssl"),
                *("X-Forwarded", "X-Real-IP", "X-LocalClient-IP", "True-LocalClient-IP", "CF-Ray"),
                *("CF-Connecting-IP", "Fastly-LocalClient-IP", "CDN-Loop", "X-Original-URL"),
                *("X_Forwarded_For", "X-Real_IP", "Cf_Connecting_Ip", "HTTP-X-Forwarded-For"),
                *("X-Originating-IP", "Do-Connecting-IP", "Ali-CDN-Real-IP", "Front-End-Https"),
                *("CloudFront-Viewer-Country", "X-Served-By", "Bypass-Tunnel-Reminder"),
                *("X-Cluster-LocalClient-IP", "Tailscale-User-Login", "X-Amzn-Trace-Id"),
            )
        ),
    ],
    ids=str,
)
def test_proxy_in_front_opens_nothing(site: str, version: str, headers: list[str]) -> None:
    with reverse_proxying(site, version, *headers) as proxy:
        for path in ("/v1/jobs", "/", "/v1/events", "/metrics"):
            answer = requests.get(proxy + path, timeout=30)
            assert answer.status_code == 403, (path, answer.text)
        answer = requests.post(f"{proxy}/v1/jobs", json=REQUEST, timeout=30)
        assert (answer.status_code, "imagequeue keys add" in answer.text) == (403, True)
        # A server's health is no secret.
        assert requests.get(f"{proxy}/healthz", timeout=30).ok


def test_curl_of_the_readme_works(site: str) -> None:
    port = site.rpartition(":")[2]
    lines = f"GET /v1/jobs HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: curl/8\r\nAccept: */*"
    with socket.create_connection(("127.0.0.1", int(port)), 10) as connection:
        connection.sendall(f"{lines}\r\n\r\n".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    assert requests.get(f"{site}/v1/jobs", timeout=30).ok


@pytest.mark.parametrize(
    "headers",
    [
        "Host: localhost\r\nHost: evil.example",
        "Host: evil.example\r\nHost: localhost",
        "Host: localhost\r\nConnection: keep-alive\r\nConnection: close",
    ],
)
def test_header_that_comes_twice_opens_nothing(site: str, headers: str) -> None:
    port = int(site.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(f"GET /v1/jobs HTTP/1.1\r\n{headers}\r\n\r\n".encode())
        # An HTTP parser may refuse the request before we do.
        assert connection.recv(65536).startswith((b"HTTP/1.1 403", b"HTTP/1.1 400"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts a program as another user")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_another_user_of_this_machine_is_refused(settings: Settings, host: str) -> None:
    """A proxy that adds nothing looks like a local program, except that it has its own user."""
    program = (
        "import encodings.idna, os, socket, sys; os.setuid(int(sys.argv[3]));"
        "s = socket.create_connection((sys.argv[1], int(sys.argv[2])));"
        "s.sendall(b'GET /v1/jobs HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n');"
        "print(s.recv(999).split()[1].decode())"
    )
    with serving(create_app(settings), host=host) as url:
        command = [sys.executable, "-c", program, host, url.rpartition(":")[2]]
        for user, status in ((65534, "403"), (0, "200")):
            ran = subprocess.run([*command, str(user)], capture_output=True, text=True)
            assert ran.stdout.strip() == status, ran.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts a program as another user")
def test_another_user_that_waits_for_no_answer_submits_nothing(
    settings: Settings, ctx: Context
) -> None:
    """The end that a program has closed has no user any more."""
    answered = threading.Event()
    app = create_app(settings)

    async def notice(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)
        if scope["type"] == "http":
            answered.set()

    with serving(notice) as url:
        subprocess.run([sys.executable, "-c", HURRIED, url.rpartition(":")[2]], check=True)
        assert answered.wait(30)
    assert not ctx.store.list().jobs


def test_address_of_a_connection_that_was_reset_opens_nothing(
    settings: Settings, ctx: Context
) -> None:
    """A program of this user may get the port of another one that did not wait for the answer."""
    app = create_app(settings)
    sent, checked, answered = (threading.Event() for _ in range(3))

    async def hold(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return

        async def receive_and_hold() -> Any:
            message = await receive()  # with the whole body
            sent.set()
            await asyncio.to_thread(checked.wait, 30)
            return message

        await app(scope, receive_and_hold, send)
        answered.set()

    body = json.dumps(REQUEST).encode()
    head = "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with serving(hold, http=BoundedProtocol) as url:
        server = ("127.0.0.1", int(url.rpartition(":")[2]))
        with socket.create_connection(server) as first:
            port = first.getsockname()[1]
            first.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            assert sent.wait(30)
            first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with socket.create_connection(server, source_address=("127.0.0.1", port)):
            checked.set()
            assert answered.wait(30)
    assert not ctx.store.list().jobs
