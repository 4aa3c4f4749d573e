"""Requests to the receiver, down to their bytes."""

import re
import select
import socket
import sys
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

import requests

from imagequeue.config.settings import Settings
from imagequeue.jobs.tokens import build_callback_url
from imagequeue.producer.local.ports import free_port
from support.processes import Process, answers, eventually

JOB = "job_01JD0000000000000000000000"

SHORT_S = 0.3

Start = Callable[..., Process]


def url_of(settings: Settings, job_id: str = JOB) -> str:
    return build_callback_url("", settings.signing_secrets, "acedata-flux", job_id)


def post(url: str, body: bytes | Iterable[bytes] = b"{}") -> int:
    return requests.post(url, body, timeout=10).status_code


def head(settings: Settings, *headers: str, version: str = "1.1") -> bytes:
    """A request's head, or its beginning where the last header is empty."""
    lines = [f"POST {url_of(settings)} HTTP/{version}", "Host: receiver", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def connect(url: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=10)


def status(sock: socket.socket) -> int:
    """The status of one answer, whose body is read too where its length is known."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        more = sock.recv(65536)
        assert more, answer
        answer += more
    if length := re.search(rb"content-length: (\d+)", answer):
        while len(answer.partition(b"\r\n\r\n")[2]) < int(length[1]):
            answer += sock.recv(65536)
    return int(answer.split()[1])


def drip(sock: socket.socket) -> None:
    """Send a byte at a time until the other side answers or hangs up, or it is hopeless."""
    for _ in range(500):
        try:
            sock.sendall(b"x")
        except ConnectionError:
            return
        if select.select([sock], [], [], 0.02)[0]:
            return
    raise AssertionError("the receiver listened to the end")


def run_receiver(start: Start) -> tuple[Process, str]:
    port = free_port()
    process = start(sys.executable, "-m", "imagequeue.worker.receiver", "--port", str(port))
    url = f"http://127.0.0.1:{port}"
    eventually(lambda: answers(f"{url}/healthz"))
    return process, url
