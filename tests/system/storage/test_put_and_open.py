"""Storage: what is put can be read, complete and once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagequeue.storage import Storage, StorageError, open_storage
from imagequeue.storage.files import _iter_bytes
from support.s3 import S3, keep
from support.storage import DATA, NAME, names, read


@pytest.mark.parametrize("name", [NAME, "job 1/ü 日本 #?%41.png", "0.png"])
@pytest.mark.parametrize("data", [DATA, b""], ids=["bytes", "empty"])
def test_put_bytes_are_read_back(storage: Storage, s3: S3, name: str, data: bytes) -> None:
    uri = keep(storage, name, data)
    blob = storage.open(uri)
    assert (blob.size, blob.content_type) == (len(data), "image/png")
    assert [type(chunk) for chunk in blob.chunks] in ([], [bytes], [bytes, bytes])
    assert read(storage, uri) == data
    assert uri.isascii()
    assert " " not in uri
    assert names(storage, s3) == [name]


def test_deleted_file_is_gone_and_may_be_deleted_again(storage: Storage) -> None:
    uri = keep(storage, NAME, DATA)
    storage.delete(NAME)
    storage.delete(NAME)
    with pytest.raises(FileNotFoundError):
        storage.open(uri)
    with pytest.raises(ValueError, match="not a valid name"):
        storage.delete("../outside")


@pytest.mark.parametrize("kind", ["s3"])
def test_bucket_keeps_the_content_type(storage: Storage) -> None:
    assert storage.open(keep(storage, "0", DATA, "video/mp4")).content_type == "video/mp4"


@pytest.mark.parametrize("extension", ["png", "jpg", "webp", "gif", "mp4"])
@pytest.mark.parametrize("kind", ["file"])
def test_folder_takes_type_from_the_name(storage: Storage, extension: str) -> None:
    expected = {"jpg": "image/jpeg", "mp4": "video/mp4"}.get(extension, f"image/{extension}")
    assert storage.open(keep(storage, f"0.{extension}", b"1", expected)).content_type == expected


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, 1), (7, None), (5, 300_000), (299_999, 10**9), (10**9, None), (5, 5), (5, 3), (0, 0)],
)
def test_range_is_read(storage: Storage, start: int, end: int | None) -> None:
    uri = keep(storage, NAME, DATA)
    assert storage.open(uri, start, end).size == len(DATA)
    assert read(storage, uri, start, end) == DATA[start:end]


def test_reader_may_stop_early(storage: Storage) -> None:
    uri = keep(storage, NAME, DATA)
    storage.open(uri)
    assert next(storage.open(uri).chunks)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file of Linux")
def test_disk_that_fails_meanwhile_is_a_storage_error() -> None:
    with Path("/proc/self/mem").open("rb") as file:
        chunks = _iter_bytes(file, 0, 1)  # nothing is mapped at 0
        assert next(chunks) == b""
        with pytest.raises(StorageError, match="cannot be read: Input/output error"):
            next(chunks)


@given(
    st.lists(
        st.text(
            st.characters(exclude_characters="/.", exclude_categories=["C", "Z"])
            | st.sampled_from(" %#?;~+é日🐈"),
            min_size=1,
        ),
        min_size=1,
        max_size=3,
    )
)
def test_uri_equals_path_as_uri(parts: list[str]) -> None:
    folder = Path("/all images/100%/ü")
    name = f"{'/'.join(parts)}.png"
    storage = open_storage(folder.as_uri(), Path("unused"))
    assert storage.uri(name) == (folder / name).as_uri()


def test_same_bytes_are_written_once(storage: Storage, s3: S3, kind: str) -> None:
    def written() -> object:
        if kind == "s3":
            return s3.writes
        found = (storage.scratch.parent / NAME).stat()
        return found.st_ino, found.st_mtime_ns, found.st_ctime_ns

    uri = keep(storage, NAME, DATA)
    once = written()
    assert keep(storage, NAME, DATA) == uri
    assert written() == once
    assert once != 0
    assert names(storage, s3) == [NAME]


def test_other_bytes_replace_the_old(storage: Storage) -> None:
    keep(storage, NAME, DATA)
    for data in (DATA[::-1], b"shorter"):
        assert read(storage, keep(storage, NAME, data)) == data


def test_concurrent_puts_of_same_image(storage: Storage) -> None:
    with ThreadPoolExecutor(8) as pool:
        (uri,) = set(pool.map(lambda _: keep(storage, NAME, DATA), range(16)))
    assert read(storage, uri) == DATA
