"""AceData's API and one image, served as cheaply as Python can: it is not what is measured.

    python -m benchmarks.peers.provider --port 9000 --image image.png

Every task is finished at once. `GET /count` returns how many submissions were accepted and how many
different prompts they had, so that a benchmark can verify that each job was paid exactly once.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import ssl
import threading
import time
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from PIL import Image

LOOPBACK = "127.0.0.1"
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
CLOSES = re.compile(rb"connection: *close", re.IGNORECASE)
# Noise, which no format compresses: about 500 KB.
SIDE = 408


def write_image(path: Path) -> bytes:
    """Write a PNG of about 500 KB, and return its bytes."""
    buffer = BytesIO()
    noise = Image.frombytes("RGB", (SIDE, SIDE), os.urandom(3 * SIDE * SIDE))
    noise.save(buffer, "PNG", compress_level=1)
    path.write_bytes(buffer.getvalue())
    return buffer.getvalue()


class Request(NamedTuple):
    """The parts of a request that matter here."""

    target: bytes
    body: bytes
    is_last: bool
    """Whether the connection closes after the answer."""


class Provider:
    """Serves each connection in a thread of its own."""

    def __init__(self, port: int, image: Path, answer_s: float, tls: Path | None) -> None:
        self._port = port
        self._image = image
        self._answer_s = answer_s
        self._tls = _server_context(tls) if tls else None
        self._scheme = "https" if tls else "http"
        self._lock = threading.Lock()
        self._accepted: Counter[str] = Counter()
        self._images = 0

    def serve(self) -> None:
        """Answer until this process is killed."""
        with socket.create_server((LOOPBACK, self._port), backlog=512) as server:
            while True:
                connection, _ = server.accept()
                threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection, self._image.open("rb") as image:
                while request := _read_request(connection):
                    self._answer(connection, request, image)
                    if request.is_last:
                        return
        except (ConnectionError, ssl.SSLError):
            return

    def _answer(self, connection: socket.socket, request: Request, image: BinaryIO) -> None:
        if request.target.startswith(b"/images/"):
            self._wait()
            _send_file(connection, image)
            with self._lock:
                self._images += 1
            return
        if request.target == b"/count":
            answer: Any = self._count()
        else:
            # Accepted and charged on arrival, even if the client goes away before the answer.
            answer = self._handle(request.target, json.loads(request.body))
            self._wait()
        body = json.dumps(answer).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        connection.sendall(head % len(body) + body)

    def _wait(self) -> None:
        if self._answer_s:
            time.sleep(self._answer_s)

    def _handle(self, target: bytes, fields: dict[str, Any]) -> dict[str, Any]:
        if target == b"/flux/images":
            with self._lock:
                self._accepted[fields["prompt"]] += 1
                return {"task_id": f"task-{self._accepted.total()}"}
        if fields["action"] == "retrieve":
            return self._format_task(fields["id"])
        items = [self._format_task(task_id) for task_id in fields["ids"]]
        return {"items": items, "count": len(items)}

    def _format_task(self, task_id: str) -> dict[str, Any]:
        url = f"{self._scheme}://{LOOPBACK}:{self._port}/images/{task_id}.png"
        image = {"prompt": "a lighthouse in a storm", "image_url": url, "seed": 1698551532}
        return {
            "id": task_id,
            "created_at": 1736304669.779,
            "finished_at": 1736304679.439,
            "elapsed": 9.6,
            "response": {"success": True, "task_id": task_id, "data": [image]},
        }

    def _count(self) -> dict[str, int]:
        with self._lock:
            return {
                "accepted": self._accepted.total(),
                "prompts": len(self._accepted),
                "images": self._images,
            }


def _server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def _read_request(connection: socket.socket) -> Request | None:
    """Return the next request of a connection, or None at its end; no client here pipelines."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := connection.recv(65536)):
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(found[1]) if (found := LENGTH.search(head)) else 0
    while len(body) < length:
        if not (more := connection.recv(65536)):
            return None
        body += more
    return Request(head.split(b" ", 2)[1], body, is_last=bool(CLOSES.search(head)))


def _send_file(connection: socket.socket, file: BinaryIO) -> None:
    size = os.fstat(file.fileno()).st_size
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % size
    file.seek(0)
    if isinstance(connection, ssl.SSLSocket):
        connection.sendall(head + file.read())
        return
    connection.sendall(head, socket.MSG_MORE)
    connection.sendfile(file)


def main() -> None:
    """Serve until this process is killed."""
    parser = argparse.ArgumentParser(description="A provider that uses almost no CPU.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--answer-s", type=float, default=0.0, help="wait before each answer")
    parser.add_argument("--tls", type=Path, help="a PEM file with key and certificate")
    options = parser.parse_args()
    Provider(options.port, options.image, options.answer_s, options.tls).serve()


if __name__ == "__main__":
    main()
