"""AceData's wire and a picture, as cheap as Python serves them: it is not what is measured.

    python -m benchmarks.cheap_provider --port 9000 --picture picture.png

Every task is finished at once. It counts what it accepts, by prompt: `GET /count` tells, so that a
benchmark can see that each of its jobs was paid exactly once.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
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
# Noise, which no format makes smaller: about 500 KB.
SIDE = 408


def make_picture(path: Path) -> bytes:
    """A PNG of about 500 KB at `path`; returns its bytes."""
    picture = BytesIO()
    noise = Image.frombytes("RGB", (SIDE, SIDE), os.urandom(3 * SIDE * SIDE))
    noise.save(picture, "PNG", compress_level=1)
    path.write_bytes(picture.getvalue())
    return picture.getvalue()


class Request(NamedTuple):
    """What was asked, as far as it matters here."""

    target: bytes
    body: bytes
    last: bool
    """Whether the connection closes after the answer."""


class Provider:
    """One thread a connection; the kernel copies the picture."""

    def __init__(self, port: int, picture: Path, answer_s: float) -> None:
        self._port = port
        self._picture = picture
        self._answer_s = answer_s
        self._lock = threading.Lock()
        self._accepted: Counter[str] = Counter()
        self._pictures = 0

    def serve(self) -> None:
        """Answer until this process is ended."""
        with socket.create_server((LOOPBACK, self._port), backlog=512) as server:
            while True:
                connection, _ = server.accept()
                threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, self._picture.open("rb") as picture:
            try:
                while request := _read(connection):
                    self._answer(connection, request, picture)
                    if request.last:
                        return
            except ConnectionError:
                return

    def _answer(self, connection: socket.socket, request: Request, picture: BinaryIO) -> None:
        if request.target.startswith(b"/pictures/"):
            self._wait()
            _send_file(connection, picture)
            with self._lock:
                self._pictures += 1
            return
        if request.target == b"/count":
            answer: Any = self._count()
        else:
            # Accepted when it comes, and charged even if nobody is left to hear of it.
            answer = self._said(request.target, json.loads(request.body))
            self._wait()
        body = json.dumps(answer).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        connection.sendall(head % len(body) + body)

    def _wait(self) -> None:
        if self._answer_s:
            time.sleep(self._answer_s)

    def _said(self, target: bytes, asked: dict[str, Any]) -> dict[str, Any]:
        if target == b"/flux/images":
            with self._lock:
                self._accepted[asked["prompt"]] += 1
                return {"task_id": f"task-{self._accepted.total()}"}
        if asked["action"] == "retrieve":
            return self._finished(asked["id"])
        items = [self._finished(task_id) for task_id in asked["ids"]]
        return {"items": items, "count": len(items)}

    def _finished(self, task_id: str) -> dict[str, Any]:
        url = f"http://{LOOPBACK}:{self._port}/pictures/{task_id}.png"
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
                "pictures": self._pictures,
            }


def _read(connection: socket.socket) -> Request | None:
    """The next request of a connection; none pipelines."""
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
    return Request(head.split(b" ", 2)[1], body, last=bool(CLOSES.search(head)))


def _send_file(connection: socket.socket, file: BinaryIO) -> None:
    size = os.fstat(file.fileno()).st_size
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % size
    connection.sendall(head, socket.MSG_MORE)
    sent = 0
    while sent < size:
        sent += os.sendfile(connection.fileno(), file.fileno(), sent, size - sent)


def main() -> None:
    """Serve until this process is ended."""
    parser = argparse.ArgumentParser(description="A provider that costs next to nothing.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--picture", type=Path, required=True)
    parser.add_argument("--answer-s", type=float, default=0.0, help="before each answer")
    options = parser.parse_args()
    Provider(options.port, options.picture, options.answer_s).serve()


if __name__ == "__main__":
    main()
