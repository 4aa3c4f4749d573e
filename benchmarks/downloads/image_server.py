"""A server of large images that uses almost no CPU: a thread a connection, and sendfile.

python -m benchmarks.downloads.image_server --folder FOLDER --port 9000
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import threading
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from imagequeue.producer.local.ports import LOOPBACK

# Noise, which no format compresses: each file has about 2 MB.
SIDES = {"PNG": 816, "JPEG": 1460}
COUNT = 8


def write_images(folder: Path) -> list[int]:
    """Write different images to `folder`, named by their numbers; returns their sizes."""
    folder.mkdir()
    rng = random.Random(7)
    sizes = []
    for number in range(COUNT):
        kind = list(SIDES)[number % len(SIDES)]
        side = SIDES[kind]
        image = Image.frombytes("RGB", (side, side), rng.randbytes(3 * side * side))
        buffer = BytesIO()
        image.save(buffer, kind, **({"quality": 91} if kind == "JPEG" else {"compress_level": 1}))
        (folder / str(number)).write_bytes(buffer.getvalue())
        sizes.append(len(buffer.getvalue()))
    return sizes


def serve(folder: Path, port: int) -> None:
    """Answer `GET /N` with image N modulo `COUNT`, until killed."""
    files = [(folder / str(number)).open("rb") for number in range(COUNT)]
    with socket.create_server((LOOPBACK, port), backlog=64) as server:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_answer, args=(connection, files), daemon=True).start()


def _answer(connection: socket.socket, files: list[Any]) -> None:
    with connection:
        while request := connection.recv(65536):
            file = files[int(request.split(b" ", 2)[1][1:]) % COUNT]
            size = os.fstat(file.fileno()).st_size
            head = (
                b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % size
            )
            connection.sendall(head, socket.MSG_MORE)
            sent = 0
            while sent < size:
                sent += os.sendfile(connection.fileno(), file.fileno(), sent, size - sent)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description="A server of large images.")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    serve(options.folder, options.port)


if __name__ == "__main__":
    main()
