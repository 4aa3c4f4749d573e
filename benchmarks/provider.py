"""A provider that costs next to nothing: AceData's wire by hand, so that the queue is measured.

    python -m benchmarks.provider --port 9000

A task is done as soon as it is asked about; where its request names a callback URL, that is told a
moment later. `GET /posts` lists the paid requests: each prompt, and when its first byte was here by
the monotonic clock, which all processes of a machine share.
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


def posts_at(url: str) -> list[tuple[str, float]]:
    """The prompts that the provider at `url` was paid for, and when each arrived."""
    return [(prompt, at) for prompt, at in requests.get(f"{url}/posts", timeout=10).json()]


def picture(kilobytes: int) -> bytes:
    """A PNG of about this size: noise, which no format makes smaller."""
    side = int((kilobytes * 1000 / 3) ** 0.5)
    image = Image.frombytes("RGB", (side, side), random.Random(7).randbytes(3 * side * side))
    buffer = BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


class Provider:
    """The tasks, and the answers to requests."""

    def __init__(self, url: str, kilobytes: int, callback_after_s: float) -> None:
        self._url = url
        self._picture = picture(kilobytes)
        self._callback_after_s = callback_after_s
        self._under_way: set[asyncio.Task[None]] = set()
        self.posts: list[tuple[str, float]] = []

    def answer(self, method: str, path: str, body: bytes, at: float) -> tuple[str, bytes]:
        """The content type and body of a 200."""
        if path.endswith(".png"):
            return "image/png", self._picture
        said = json.loads(body) if body else {}
        if (method, path) == ("POST", "/flux/images"):
            found: Any = self._submitted(said, at)
        elif path == "/flux/tasks" and said["action"] == "retrieve":
            found = self._record(said["id"])
        elif path == "/flux/tasks":
            found = {"items": [self._record(task_id) for task_id in said["ids"]]}
        else:
            found = self.posts
        return "application/json", json.dumps(found).encode()

    def _submitted(self, said: dict[str, Any], at: float) -> dict[str, Any]:
        task_id = secrets.token_hex(16)
        self.posts.append((said["prompt"], at))
        if url := said.get("callback_url"):
            self._later(self._call_back(url, task_id))
        return {"task_id": task_id}

    def _record(self, task_id: str) -> dict[str, Any]:
        return {"id": task_id, "finished_at": 1.0, "response": self._result(task_id)}

    def _result(self, task_id: str) -> dict[str, Any]:
        image_url = f"{self._url}/{task_id}.png"
        return {"success": True, "task_id": task_id, "data": [{"image_url": image_url}]}

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _call_back(self, url: str, task_id: str) -> None:
        await asyncio.sleep(self._callback_after_s)
        to, body = urlsplit(url), json.dumps(self._result(task_id)).encode()
        head = f"POST {to.path} HTTP/1.1\r\nHost: {to.netloc}\r\nConnection: close\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        reader, writer = await asyncio.open_connection(to.hostname, to.port)
        writer.write(head.encode() + body)
        await reader.read()
        writer.close()


class ProviderApi(asyncio.Protocol):
    """One connection: requests with their length in the head, answered in order."""

    def __init__(self, provider: Provider, answer_after_s: float) -> None:
        self._provider = provider
        self._answer_after_s = answer_after_s
        self._received = bytearray()
        self._first_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Answer what is whole."""
        if not self._received:
            self._first_at = time.monotonic()
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
        kind, body = self._provider.answer(method, path, rest[:length], self._first_at)
        answer = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        loop = asyncio.get_running_loop()
        loop.call_later(self._answer_after_s, self._transport.write, answer.encode() + body)


async def _serve(options: argparse.Namespace) -> None:
    url = f"http://{LOOPBACK}:{options.port}"
    provider = Provider(url, options.picture_kb, options.callback_after)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: ProviderApi(provider, options.answer_after), LOOPBACK, options.port, backlog=512
    )
    await server.serve_forever()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description="A provider that costs next to nothing.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--picture-kb", type=int, default=500)
    parser.add_argument("--answer-after", type=float, default=0.0, help="seconds")
    parser.add_argument("--callback-after", type=float, default=0.5, help="seconds")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
