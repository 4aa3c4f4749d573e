"""Names and bytes to store, and what is in a storage afterwards."""

import subprocess
import sys

import obstore.store

from imagequeue.storage import Storage
from support.s3 import S3

NAME = "job_1/0.png"

DATA = bytes(range(256)) * 1200

# Three parts of an upload.
LARGE = 20 * 1024 * 1024


def read(storage: Storage, uri: str, *part: int | None) -> bytes:
    return b"".join(storage.open(uri, *part).chunks)  # type: ignore[arg-type]


def uri_of(storage: Storage, name: str) -> str:
    return f"{storage.url}/{name}"


def names(storage: Storage, s3: S3) -> list[str]:
    """Return all names in the storage and its scratch folder."""
    scratch = [path.name for path in storage.scratch.glob("*")]
    if storage.url.startswith("file"):
        root = storage.scratch.parent
        return [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
    prefix = obstore.store.from_url(storage.url, client_options={"allow_http": True})
    return scratch + [found["path"] for page in obstore.list(prefix) for found in page]


def python(code: str, *arguments: object) -> str:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
