"""What Redis holds of our jobs, and a Redis that is unfit to hold any."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from imagequeue.producer.local.embedded_redis import _server_binary
from support.processes import eventually

# kombu's own list of queues: the same whatever was sent.
BINDINGS = "_kombu.binding."


def traces(url: str) -> list[str]:
    """Every key that a job, or half of one, left: records, indexes, wake-ups, messages."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        return [key for key in client.scan_iter() if not key.startswith(BINDINGS)]


@contextmanager
def evicting_redis(folder: Path) -> Iterator[str]:
    """A Redis that drops keys when its memory is full."""
    path = folder / "evicting.sock"
    listen = ["--port", "0", "--unixsocket", str(path), "--dir", str(folder)]
    keeping = ["--appendonly", "yes", "--maxmemory-policy", "allkeys-lru"]
    command = [_server_binary(), *listen, *keeping]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as server:
        try:
            eventually(path.exists)
            yield f"unix://{path}"
        finally:
            server.terminate()
