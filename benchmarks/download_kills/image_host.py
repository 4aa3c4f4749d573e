"""A slow image host with a different image for each path."""

from __future__ import annotations

import random
import threading
import time
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

from PIL import Image

from imagequeue.producer.local.ports import LOOPBACK

# A transfer takes a quarter of a second.
PIECES, PIECE_PAUSE_S = 10, 0.025


@lru_cache(1024)
def make_image(path: str) -> bytes:
    """Return the bytes behind a path: noise, and always the same."""
    rng = random.Random(path)
    buffer = BytesIO()
    noise = Image.frombytes("RGB", (128, 128), rng.randbytes(3 * 128 * 128))
    noise.save(buffer, rng.choice(("PNG", "JPEG")), compress_level=1)
    return buffer.getvalue()


class ImageHost:
    """Sends images slowly, and counts how often each was sent completely."""

    def __init__(self) -> None:
        self.complete: dict[str, int] = {}
        self.interrupted = 0
        self._lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(handler) -> None:  # noqa: N805
                self._send(handler)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.address = f"{LOOPBACK}:{self._server.server_port}"
        self._thread.start()

    def _send(self, request: BaseHTTPRequestHandler) -> None:
        data = make_image(request.path)
        request.send_response(200)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        step = -(-len(data) // PIECES)
        try:
            for at in range(0, len(data), step):
                request.wfile.write(data[at : at + step])
                time.sleep(PIECE_PAUSE_S)
        except OSError:
            self.interrupted += 1
            return
        with self._lock:
            self.complete[request.path] = self.complete.get(request.path, 0) + 1

    def stop(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
