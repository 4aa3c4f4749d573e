"""A file is in storage whole or not at all, whatever breaks off."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imagequeue.storage import Storage, StorageError, buckets
from support.processes import eventually
from support.s3 import S3, UNAVAILABLE, Answer, keep
from support.storage import DATA, LARGE, NAME, names, uri_of


@pytest.mark.parametrize("before", [None, 5], ids=["new", "replaced"])
def test_partial_file_is_never_visible(storage: Storage, before: int | None) -> None:
    uri = keep(storage, NAME, b"small") if before else uri_of(storage, NAME)
    seen: list[int | None] = []
    with ThreadPoolExecutor(1) as pool:
        put = pool.submit(keep, storage, NAME, os.urandom(LARGE))
        while not put.done():
            try:
                seen.append(storage.open(uri, 0, 1).size)
            except FileNotFoundError:
                seen.append(None)
        assert put.result() == uri
    assert set(seen) <= {before, LARGE}
    assert seen[0] == before
    assert storage.open(uri, 0, 1).size == LARGE


def test_missing_source_stores_nothing(storage: Storage, s3: S3) -> None:
    with storage.temporary() as file:
        Path(file.name).unlink()
        with pytest.raises(StorageError):
            storage.put(NAME, file, content_type="image/png", sha256="0" * 64)
    assert names(storage, s3) == []


@pytest.mark.parametrize("kind", ["s3"])
def test_aborted_upload_stores_nothing(
    storage: Storage, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(buckets.RETRY, "max_retries", 1)
    s3.gate = lambda request: UNAVAILABLE if "partNumber=2" in request else None
    with pytest.raises(StorageError, match="503"):
        keep(storage, NAME, bytes(LARGE))
    assert sum("partNumber=2" in request for request in s3.asked) == 2
    assert names(storage, s3) == []


@pytest.mark.parametrize("kind", ["file"])
def test_bytes_are_flushed_before_name_and_folders(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = storage.scratch.parent / NAME
    flushed: list[tuple[int, bool]] = []

    def fsync(descriptor: int) -> None:
        flushed.append((os.fstat(descriptor).st_ino, image.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    keep(storage, NAME, DATA)
    inodes = [path.stat().st_ino for path in (image, *image.parents[:3])]
    assert flushed == list(zip(inodes, (False, True, True, True), strict=True))


@pytest.mark.parametrize("kind", ["file"])
@pytest.mark.parametrize("known", [False, True], ids=["new", "put before"])
def test_more_follows_flushes_with_the_last(
    storage: Storage, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if all are there already, because the worker that put them may have died."""
    first, last = (storage.scratch.parent / f"job_1/{n}.png" for n in (0, 1))
    if known:
        for path in (first, last):
            keep(storage, f"job_1/{path.name}", DATA, more_follows=True)
    flushed: list[tuple[int, bool, bool]] = []

    def fsync(descriptor: int) -> None:
        flushed.append((os.fstat(descriptor).st_ino, first.exists(), last.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    keep(storage, "job_1/0.png", DATA, more_follows=True)
    keep(storage, "job_1/1.png", DATA)
    images = [(first, False, False), (last, True, False)] * (not known)
    folders = [(folder, True, True) for folder in first.parents[:3]]
    assert flushed == [(path.stat().st_ino, *there) for path, *there in (*images, *folders)]


PUT_IN_A_PROCESS = """
import hashlib, os, sys, time
from pathlib import Path
from imagequeue.storage import open_storage
def held(*_):
    print("held", flush=True)
    time.sleep(60)
os.replace = held
storage = open_storage(sys.argv[1], Path(sys.argv[2]))
with storage.temporary() as file:
    file.write(bytes(int(sys.argv[3])))
    digest = hashlib.sha256(Path(file.name).read_bytes()).hexdigest()
    storage.put("job_1/0.png", file, content_type="image/png", sha256=digest)
"""


def test_killed_put_stores_nothing(storage: Storage, s3: S3, kind: str) -> None:
    held, over = threading.Event(), threading.Event()

    def gate(request: str) -> Answer:
        if "partNumber=2" not in request:
            return None
        held.set()
        over.wait(60)
        return UNAVAILABLE

    s3.gate = gate
    command = [sys.executable, "-c", PUT_IN_A_PROCESS, storage.url, storage.scratch, str(LARGE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        try:
            if kind == "file":
                assert process.stdout.readline() == b"held\n"
            else:
                assert held.wait(60)
                assert eventually(lambda: any("partNumber=1" in each for each in s3.asked))
        finally:
            process.send_signal(signal.SIGKILL)
            over.set()
    assert process.returncode == -signal.SIGKILL
    with pytest.raises(FileNotFoundError):
        storage.open(uri_of(storage, NAME))
    assert [name for name in names(storage, s3) if not name.endswith(".part")] == []
