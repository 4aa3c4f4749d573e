"""No name and no URI leads outside of the storage."""

import os
from pathlib import Path

import pytest

from imagequeue.storage import Storage, open_storage
from support.s3 import S3, SECRET, keep
from support.storage import DATA, NAME, names, read, uri_of


def test_missing_file_is_not_found(storage: Storage) -> None:
    keep(storage, NAME, DATA)
    for name in ("job_1/1.png", "job_2/0.png", "job_1", f"{NAME}/more"):
        for part in ((), (1, 2)):
            with pytest.raises(FileNotFoundError):
                storage.open(uri_of(storage, name), *part)


@pytest.mark.parametrize(
    "name", ["", "/0.png", "../0.png", "a/../../b", "a/..", "a//b", "a/", ".incoming/a", "a\nb"]
)
def test_unsafe_name_is_refused(storage: Storage, s3: S3, name: str) -> None:
    with pytest.raises(ValueError, match="is not a valid name"):
        keep(storage, name, DATA)
    assert names(storage, s3) == []


def test_uri_outside_is_not_found(storage: Storage, tmp_path: Path, kind: str) -> None:
    """Each forgery leads to bytes that are there, by the ways that `..` and encodings open."""
    keep(storage, NAME, DATA)
    outside = open_storage(f"{storage.url}-other", tmp_path / "scratch")
    stolen = keep(outside, "0.png", b"not yours")
    assert read(outside, stolen) == b"not yours"
    sibling = storage.url.rpartition("/")[2] + "-other"
    for uri in (
        stolen,
        f"{storage.url}/../{sibling}/0.png",
        f"{storage.url}/%2e%2e/{sibling}/0.png",
        f"{storage.url}/job_1%2F..%2F..%2F{sibling}%2F0.png",
        f"{storage.url}/{NAME}%00",
        storage.url,
        f"{storage.url}/",
        "",
        NAME,
        "/etc/passwd",
        "file:///etc/passwd",
        "file:///%00",
        "file://[",
    ):
        with pytest.raises(FileNotFoundError):
            storage.open(uri)


@pytest.mark.parametrize("kind", ["file"])
def test_links_and_scratch_are_not_found(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    keep(storage, NAME, DATA)
    folder = storage.scratch.parent
    (folder / "link.png").symlink_to(tmp_path / "secret")
    (folder / "job_2").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.png")
    with storage.temporary() as unfinished:
        unfinished.write(DATA)
        for uri in (
            (folder / "link.png").as_uri(),
            (folder / "job_2" / "secret").as_uri(),
            (folder / "pipe.png").as_uri(),
            Path(unfinished.name).as_uri(),
        ):
            with pytest.raises(FileNotFoundError):
                storage.open(uri)


@pytest.mark.parametrize("kind", ["file"])
def test_linked_folder_is_read(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    storage.scratch.parent.symlink_to(tmp_path / "disk")
    uri = keep(storage, NAME, DATA)
    assert uri == uri_of(storage, NAME)
    assert read(storage, uri) == DATA
