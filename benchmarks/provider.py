"""A provider that uses almost no CPU, so that a benchmark measures the queue: AceData's API.

    python -m benchmarks.provider --port 9000

A task is finished when it is first asked about. If its request names a callback URL, the callback
follows a moment later. `GET /posts` lists the paid requests: each prompt, and when its first byte
arrived by the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import secrets
import time
from collections.abc import Coroutine
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import requests
from PIL import Image

from imagequeue.producer.local.ports import LOOPBACK

PROVIDER = "acedata-flux"


def read_posts(url: str) -> list[tuple[str, float]]:
    """Return the prompts that the provider at `url` was paid for, and when each arrived."""
    return [(prompt, at) for prompt, at in requests.get(f"{url}/posts", timeout=10).json()]


def make_png(kilobytes: int) -> bytes:
    """Return a PNG of about this size: noise, which no format compresses."""
    side = int((kilobytes * 1000 / 3) ** 0.5)
    image = Image.frombytes("RGB", (side, side), random.Random(7).randbytes(3 * side * side))
    buffer = BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


class Provider:
    """The tasks, and the answers to requests."""

    def __init__(self, url: str, kilobytes: int, callback_after_s: float) -> None:
        self._url = url
        self._image = make_png(kilobytes)
        self._callback_after_s = callback_after_s
        self._callbacks: set[asyncio.Task[None]] = set()
        self.posts: list[tuple[str, float]] = []

    def answer(self, method: str, path: str, body: bytes, at: float) -> tuple[str, bytes]:
        """Return the content type and body of a 200."""
        if path.endswith(".png"):
            return "image/png", self._image
        fields = json.loads(body) if body else {}
        if (method, path) == ("POST", "/flux/images"):
            answer: Any = self._submit(fields, at)
        elif path == "/flux/tasks" and fields["action"] == "retrieve":
            answer = self._format_task(fields["id"])
        elif path == "/flux/tasks":
            answer = {"items": [self._format_task(task_id) for task_id in fields["ids"]]}
        else:
            answer = self.posts
        return "application/json", json.dumps(answer).encode()

    def _submit(self, fields: dict[str, Any], at: float) -> dict[str, Any]:
        task_id = secrets.token_hex(16)
        self.posts.append((fields["prompt"], at))
        if url := fields.get("callback_url"):
            self._start(self._send_callback(url, task_id))
        return {"task_id": task_id}

    def _format_task(self, task_id: str) -> dict[str, Any]:
        return {"id": task_id, "finished_at": 1.0, "response": self._format_result(task_id)}

    def _format_result(self, task_id: str) -> dict[str, Any]:
        image_url = f"{self._url}/{task_id}.png"
        return {"success": True, "task_id": task_id, "data": [{"image_url": image_url}]}

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._callbacks.add(task)
        task.add_done_callback(self._callbacks.discard)

    async def _send_callback(self, url: str, task_id: str) -> None:
        await asyncio.sleep(self._callback_after_s)
        to, body = urlsplit(url), json.dumps(self._format_result(task_id)).encode()
        head = f"POST {to.path} HTTP/1.1\r\nHost: {to.netloc}\r\nConnection: close\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        reader, writer = await asyncio.open_connection(to.hostname, to.port)
        writer.write(head.encode() + body)
        await reader.read()
        writer.close()


class ProviderApi(asyncio.Protocol):
    """One connection: requests with a Content-Length, answered in order."""

    def __init__(self, provider: Provider, answer_after_s: float) -> None:
        self._provider = provider
        self._answer_after_s = answer_after_s
        self._received = bytearray()
        self._first_byte_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Answer a request once it is complete."""
        if not self._received:
            self._first_byte_at = time.monotonic()
        self._received += data
        head, end, rest = bytes(self._received).partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        if not end or len(rest) < length:
            return
        self._received.clear()
        method, path, _ = head.decode("latin-1").split(" ", 2)
        kind, body = self._provider.answer(method, path, rest[:length], self._first_byte_at)
        answer = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        loop = asyncio.get_running_loop()
        loop.call_later(self._answer_after_s, self._transport.write, answer.encode() + body)


async def _serve(options: argparse.Namespace) -> None:
    url = f"http://{LOOPBACK}:{options.port}"
    provider = Provider(url, options.image_kb, options.callback_after)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: ProviderApi(provider, options.answer_after), LOOPBACK, options.port, backlog=512
    )
    await server.serve_forever()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description="A provider that uses almost no CPU.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--image-kb", type=int, default=500)
    parser.add_argument("--answer-after", type=float, default=0.0, help="seconds")
    parser.add_argument("--callback-after", type=float, default=0.5, help="seconds")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
