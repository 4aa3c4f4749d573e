"""The check says in one line what to change, and shows no secret."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagequeue.storage import Storage, StorageError, buckets, open_storage
from support.s3 import S3, SECRET, keep
from support.storage import DATA, LARGE, NAME, names, read


def refused(storage: Storage) -> str:
    """The one line that a check ends with."""
    with pytest.raises(StorageError) as caught:
        storage.check()
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert SECRET not in str(caught.value) + repr(storage)
    return str(caught.value)


def test_check_leaves_nothing_behind(storage: Storage, s3: S3) -> None:
    storage.check()
    assert names(storage, s3) == []


@pytest.fixture
def nobody() -> Iterator[None]:
    """Root may write anywhere, so it steps down."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    yield
    os.seteuid(was)


@pytest.mark.parametrize("kind", ["file"])
def test_unwritable_folder_is_reported(storage: Storage, nobody: None) -> None:
    line = refused(open_storage("file:///usr/imagequeue-test", Path("unused")))
    assert "/usr/imagequeue-test/.incoming cannot be used: Permission denied; let this" in line


@pytest.mark.parametrize("kind", ["file"])
def test_file_in_place_of_folder_is_reported(storage: Storage, tmp_path: Path) -> None:
    storage.scratch.parent.write_text("a file")
    assert "Not a directory; let this user write there, or change IMAGEQUEUE_S" in refused(storage)
    (tmp_path / "half").mkdir()
    half = open_storage((tmp_path / "half").as_uri(), Path("unused"))
    (tmp_path / "half" / "job_1").write_text("a file")
    with pytest.raises(StorageError, match=r"0.png cannot be written: (File exists|Not a dir)"):
        keep(half, NAME, DATA)


@pytest.mark.parametrize("kind", ["s3"])
def test_unusable_scratch_is_reported(url: str, tmp_path: Path) -> None:
    (tmp_path / "scratch").write_text("a file")
    assert f"{tmp_path}/scratch cannot be used" in refused(open_storage(url, tmp_path / "scratch"))


def test_missing_bucket_is_reported(s3: S3, tmp_path: Path) -> None:
    missing = open_storage("s3://no-such-bucket/here", tmp_path)
    line = refused(missing)
    assert line.startswith("s3://no-such-bucket/here: there is no such bucket")
    assert "are AWS_ACCESS_KEY_ID, " in line
    with pytest.raises(StorageError, match="no such bucket"):
        keep(missing, NAME, bytes(LARGE))


def test_unreachable_endpoint_is_reported(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    away = open_storage("s3://images", tmp_path)
    assert "after 4 retries" in refused(away)
    with pytest.raises(StorageError):
        away.open("s3://images/0.png")


def test_refused_credentials_are_not_shown(s3: S3, tmp_path: Path) -> None:
    body = f"<Error><Code>NotYours</Code>{SECRET}</Error>".encode()
    s3.gate = lambda request: ("403 Forbidden", body) if request.startswith("PUT") else None
    line = refused(open_storage("s3://images", tmp_path))
    assert "403 Forbidden (NotYours); does that bucket exist, and are AWS_ACCESS_KEY_ID" in line


def test_signature_in_url_is_not_shown(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(buckets.RETRY, "max_retries", 0)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "somebody")
    monkeypatch.setenv("AZURE_STORAGE_SAS_KEY", f"sv=2024-11-04&sp=rw&sig={SECRET}")
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", "http://127.0.0.1:1/somebody")
    line = refused(open_storage("az://container/prefix", tmp_path))
    assert line.startswith("az://container/prefix: ")
    assert "error sending request; does that bucket exist" in line
    assert "AZURE_STORAGE_ACCOUNT_KEY right" in line


@pytest.mark.parametrize("kind", ["file"])
@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_folder_that_cannot_be_flushed_is_used(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fsync = os.fsync

    def refuse_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    storage.check()
    assert storage.warning == ""
    monkeypatch.setattr(os, "fsync", refuse_folders)
    storage.check()
    assert storage.warning == (
        "its file system flushes no folders: a power cut may lose new images"
    )
    assert read(storage, keep(storage, NAME, DATA)) == DATA


@pytest.mark.parametrize("kind", ["file"])
def test_nearly_full_disk_is_reported(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagequeue.storage.files.MIN_FREE_BYTES", 10**18)
    assert "less than 1000000000000 MB are free; let this user write" in refused(storage)
