"""Temporary files: written whole, deleted afterwards, and in constant memory."""

import hashlib
import os
import resource
import shutil
import sys
import time
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from imagequeue.storage import Storage, Temporary, base
from support.s3 import S3, keep
from support.storage import DATA, NAME, names, python, read


def test_orphans_are_removed_at_intervals(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.scratch.mkdir(parents=True)
    old, young, foreign = (storage.scratch / name for name in ("a.part", "b.part", "c.txt"))

    def leave() -> None:
        for path in (old, young, foreign):
            path.write_bytes(DATA)
        for path in (old, foreign):
            os.utime(path, (time.time() - 3700,) * 2)
        os.utime(young, (time.time() - 3500,) * 2)

    for pause_s, removed in ((600, True), (600, False), (0, True)):
        monkeypatch.setattr(base, "SWEEP_EVERY_S", pause_s)
        leave()
        with storage.temporary() as fresh:
            assert fresh.read() == b""
        assert [old.exists(), young.exists(), foreign.exists()] == [not removed, True, True]


def test_wrong_clock_of_the_machine_removes_no_file(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with storage.temporary() as in_use:
        monkeypatch.setattr(base, "SWEEP_EVERY_S", 0)
        ahead = time.time() + 86400
        monkeypatch.setattr(time, "time", lambda: ahead)
        with storage.temporary():
            assert Path(in_use.name).exists()


def test_temporary_file_is_always_removed(storage: Storage) -> None:
    for error in (None, KeyboardInterrupt):
        try:
            with storage.temporary() as file:
                file.write(DATA)
                if error:
                    raise error
        except KeyboardInterrupt:
            pass
        assert list(storage.scratch.iterdir()) == []
        assert file.closed


@pytest.mark.parametrize("kind", ["file"])
def test_renamed_file_is_not_removed(storage: Storage) -> None:
    with storage.temporary() as file:
        storage.put(NAME, file, content_type="image/png", sha256=hashlib.sha256().hexdigest())
        Path(file.name).write_bytes(b"of somebody else")
    assert [path.read_bytes() for path in storage.scratch.iterdir()] == [b"of somebody else"]


@pytest.mark.parametrize("lost", ["scratch", "job_1"])
def test_removed_folder_is_created_again(storage: Storage, lost: str) -> None:
    scratch = storage.scratch
    keep(storage, NAME, DATA)
    shutil.rmtree(scratch if lost == "scratch" else scratch.parent / lost, ignore_errors=True)
    assert read(storage, keep(storage, "job_1/1.png", DATA)) == DATA


class Reluctant(FileIO):
    """Takes a few bytes at a time, as any system may."""

    def write(self, data: Any) -> int:
        return super().write(data[:7])


class ReluctantTemporary(Temporary, Reluctant):
    pass


@pytest.mark.parametrize(
    "data", [b"", DATA[:7], DATA[:8], memoryview(DATA), memoryview(DATA).cast("I")]
)
def test_partial_writes_are_completed(tmp_path: Path, data: Any) -> None:
    with ReluctantTemporary(str(tmp_path / "a.part"), "xb+") as file:
        assert file.write(data) == len(bytes(data))
        assert file.write(b"and more") == 8
        file.seek(0)
        assert file.read() == bytes(data) + b"and more"


def test_full_disk_is_an_error(storage: Storage, s3: S3) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The first bytes are written, and that is no error yet.
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(DATA) // 2, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            keep(storage, NAME, DATA)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(storage, s3) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_memory_is_constant_for_any_size(storage: Storage, kind: str, tmp_path: Path) -> None:
    # Not getrusage: a child begins with its parent's peak there.
    code = """
import hashlib, os, sys
from pathlib import Path
from imagequeue.storage import open_storage
def peak_mb():
    (line,) = (x for x in open("/proc/self/status") if x.startswith("VmHWM"))
    return int(line.split()[1]) // 1024
storage = open_storage(sys.argv[1], Path(sys.argv[2]))
storage.check()
before = peak_mb()
block = os.urandom(1 << 20)
digest = hashlib.sha256()
for _ in range(2):
    with storage.temporary() as file:
        digest = hashlib.sha256()
        for _ in range(int(sys.argv[3])):
            file.write(block)
            digest.update(block)
        sha = digest.hexdigest()
        uri = storage.put("job_1/0.mp4", file, content_type="video/mp4", sha256=sha)
digest = hashlib.sha256()
for chunk in storage.open(uri).chunks:
    digest.update(chunk)
assert digest.hexdigest() == sha
print(peak_mb() - before)
"""
    size, bound = (200, 100) if kind == "file" else (64, 56)
    assert int(python(code, storage.url, storage.scratch, size)) < bound
