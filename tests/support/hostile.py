"""An image host that answers byte by byte as a test tells it to, down to what is no HTTP."""

import io
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal, NamedTuple

from PIL import Image

from imagequeue.jobs.job import Job, State
from imagequeue.providers.wire import ResultImage, Succeeded
from imagequeue.worker.apply_status import apply_status
from imagequeue.worker.context import Context
from imagequeue.worker.download import download
from support.jobs import waiting
from support.stub import Stub


class Asked(NamedTuple):
    """One request: its path and headers, their names in lower case, and the address it came to."""

    path: str
    headers: dict[str, str]
    at: str


Speak = Callable[[socket.socket, Asked], None]


class Host:
    """`speak(connection, asked)` answers each request; then the connection is closed."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.netloc = f"127.0.0.1:{port}"
        self.url = f"http://{self.netloc}"
        self.asked: list[Asked] = []
        self.speak: Speak = says(404)

    @property
    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]


@contextmanager
def hosting(address: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[Host]:
    """A host on a port of its own."""
    listener = socket.create_server((address, 0))
    host = Host(listener.getsockname()[1])
    threads: list[threading.Thread] = []
    held: set[socket.socket] = set()

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                serving = threading.Thread(target=serve, args=(connection,), daemon=True)
                threads.append(serving)
                serving.start()

    def serve(connection: socket.socket) -> None:
        # Whoever is tired of us leaves in the middle, and a test that has ended shuts us up.
        held.add(connection)
        with suppress(OSError), connection:
            if tls is None:
                _serve(host, connection)
            else:
                with tls.wrap_socket(connection, server_side=True) as spoken:
                    _serve(host, spoken)

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    yield host
    for each in (listener, *held):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
    listener.close()
    for thread in (accepting, *threads):
        thread.join(10)


def _serve(host: Host, connection: socket.socket) -> None:
    if asked := _heard(connection):
        host.asked.append(asked)
        host.speak(connection, asked)


def _heard(connection: socket.socket) -> Asked | None:
    head = b""
    while b"\r\n\r\n" not in head:
        if not (data := connection.recv(65536)):
            return None
        head += data
    first, *lines = head.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Asked(first.split(" ")[1], headers, connection.getsockname()[0])


# What a host may say


def head(status: int = 200, **headers: object) -> bytes:
    """The first lines of an answer; `_` in a header's name stands for `-`."""
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
    return f"HTTP/1.1 {status} Said\r\n{''.join(lines)}\r\n".encode()


def says(status: int = 200, body: bytes = b"", **headers: object) -> Speak:
    """A plain answer, whose headers may lie."""
    headers = {"Content_Length": len(body), "Connection": "close", **headers}
    return lambda connection, _: connection.sendall(head(status, **headers) + body)


def raw(data: bytes) -> Speak:
    """Exactly these bytes."""
    return lambda connection, _: connection.sendall(data)


def redirects(location: str, **headers: object) -> Speak:
    return says(302, Location=location, **headers)


def then(first: Speak, second: Speak) -> Speak:
    def speak(connection: socket.socket, asked: Asked) -> None:
        first(connection, asked)
        second(connection, asked)

    return speak


def silence(connection: socket.socket, _: Asked) -> None:
    """Nothing, until the other side leaves."""
    connection.recv(1)


def drip(connection: socket.socket, _: Asked) -> None:
    """A byte now and then, each well within any bound on silence."""
    for _ in range(1000):
        connection.sendall(b"x")
        time.sleep(0.02)


def reset(connection: socket.socket, _: Asked) -> None:
    """RST in the place of an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def endless(start: bytes, more: bytes) -> Speak:
    """`start`, then `more` until the other side has enough."""

    def speak(connection: socket.socket, _: Asked) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(more)

    return speak


def in_turn(*speaks: Speak) -> Speak:
    """The first answer, then the second, and the last for ever."""
    left = list(speaks)
    return lambda connection, asked: (left.pop(0) if left[1:] else left[0])(connection, asked)


def chunked(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def picture(kind: str = "PNG", size: tuple[int, int] = (64, 48)) -> bytes:
    """A picture of noise, the same for each size."""
    buffer = io.BytesIO()
    pixels = bytes((i * i * 7 + i // 3) % 251 for i in range(size[0] * size[1]))
    Image.frombytes("L", size, pixels).save(buffer, kind)
    return buffer.getvalue()


# A job whose pictures are there to be fetched, and what is left of it


def downloading(ctx: Context, stub: Stub, *urls: str, lifetime_s: int = 60, **fields: Any) -> str:
    """A job whose result URLs are known: the first is the result's, a second the origin's."""
    job_id = waiting(ctx, stub, **fields)
    kinds: tuple[Literal["result"], Literal["origin"]] = ("result", "origin")
    images = tuple(
        ResultImage(url=url, lifetime_s=lifetime_s, kind=kind)
        for url, kind in zip(urls, kinds, strict=False)
    )
    apply_status(ctx, ctx.store.get(job_id), Succeeded(images=images), "callback")
    stub.asked.clear()
    stub.answer = lambda *_: (404, {})
    return job_id


def set_bounds(ctx: Context, **bounds: float) -> None:
    """Change settings of a context that is open already."""
    vars(ctx)["settings"] = ctx.settings.model_copy(update=bounds)


def to_the_end(ctx: Context, job_id: str) -> Job:
    """The job once nothing is tried any more."""
    for _ in range(20):
        if download(ctx, job_id) is None:
            return ctx.store.get(job_id)
    raise AssertionError("it is tried without an end")


def files(ctx: Context) -> list[str]:
    """Every file in the folder of pictures, what is unfinished included."""
    folder = ctx.storage.scratch.parent
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def check_unsaved(ctx: Context, job_id: str, error: str) -> None:
    job = ctx.store.get(job_id)
    (image,) = job.images
    assert (job.state, image.state, image.uri) == (State.UNSAVED, "expired", None)
    assert job.error
    assert job.error.message == f"1 of 1 images could not be saved: {image.error}"
    assert image.error
    assert re.search(error, image.error), image.error
    assert files(ctx) == []
