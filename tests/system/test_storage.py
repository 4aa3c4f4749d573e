"""Storage: whole or not at all, in a folder and in a bucket alike, and nothing from outside."""

import hashlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from pathlib import Path
from typing import Any

import obstore.store
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagequeue.config.settings import read_settings
from imagequeue.errors import ConfigError
from imagequeue.storage import Storage, StorageError, Temporary, base, buckets, open_storage
from support.processes import eventually
from support.s3 import S3, SECRET, UNAVAILABLE, Answer, keep

NAME = "job_1/0.png"
DATA = bytes(range(256)) * 1200
# Three parts of an upload.
LARGE = 20 * 1024 * 1024


@pytest.fixture(params=["file", "s3"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(kind: str, s3: S3, tmp_path: Path) -> str:
    """A place that nobody has used before."""
    folder = tmp_path / "all images"
    return folder.as_uri() if kind == "file" else f"s3://images/{folder.as_uri()[8:]}"


@pytest.fixture
def storage(url: str, tmp_path: Path) -> Storage:
    return open_storage(url, tmp_path / "scratch")


def read(storage: Storage, uri: str, *part: int | None) -> bytes:
    return b"".join(storage.open(uri, *part).chunks)  # type: ignore[arg-type]


def uri_of(storage: Storage, name: str) -> str:
    return f"{storage.url}/{name}"


def names(storage: Storage, s3: S3) -> list[str]:
    """All that is kept, and what lies about in a scratch folder."""
    scratch = [path.name for path in storage.scratch.glob("*")]
    if storage.url.startswith("file"):
        root = storage.scratch.parent
        return [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
    prefix = obstore.store.from_url(storage.url, client_options={"allow_http": True})
    return scratch + [found["path"] for page in obstore.list(prefix) for found in page]


# QuarantinedCallback, and read again


@pytest.mark.parametrize("name", [NAME, "job 1/ü 日本 #?%41.png", "0.png"])
@pytest.mark.parametrize("data", [DATA, b""], ids=["bytes", "empty"])
def test_what_is_put_is_read_again(storage: Storage, s3: S3, name: str, data: bytes) -> None:
    uri = keep(storage, name, data)
    blob = storage.open(uri)
    assert (blob.size, blob.content_type) == (len(data), "image/png")
    assert [type(chunk) for chunk in blob.chunks] in ([], [bytes], [bytes, bytes])
    assert read(storage, uri) == data
    assert uri.isascii()
    assert " " not in uri
    assert names(storage, s3) == [name]


@pytest.mark.parametrize("kind", ["s3"])
def test_a_bucket_keeps_the_type_that_it_was_told(storage: Storage) -> None:
    assert storage.open(keep(storage, "0", DATA, "video/mp4")).content_type == "video/mp4"


@pytest.mark.parametrize("extension", ["png", "jpg", "webp", "gif", "mp4"])
@pytest.mark.parametrize("kind", ["file"])
def test_a_folder_tells_the_type_by_the_name(storage: Storage, extension: str) -> None:
    expected = {"jpg": "image/jpeg", "mp4": "video/mp4"}.get(extension, f"image/{extension}")
    assert storage.open(keep(storage, f"0.{extension}", b"1", expected)).content_type == expected


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, 1), (7, None), (5, 300_000), (299_999, 10**9), (10**9, None), (5, 5), (5, 3), (0, 0)],
)
def test_a_part_is_read(storage: Storage, start: int, end: int | None) -> None:
    uri = keep(storage, NAME, DATA)
    assert storage.open(uri, start, end).size == len(DATA)
    assert read(storage, uri, start, end) == DATA[start:end]


def test_a_reader_may_stop_early(storage: Storage) -> None:
    uri = keep(storage, NAME, DATA)
    storage.open(uri)
    assert next(storage.open(uri).chunks)


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
def test_a_uri_is_the_one_of_its_path(parts: list[str]) -> None:
    folder = Path("/all images/100%/ü")
    name = f"{'/'.join(parts)}.png"
    storage = open_storage(folder.as_uri(), Path("unused"))
    assert storage.uri(name) == (folder / name).as_uri()


# Written once, and as a whole


def test_the_same_bytes_are_written_once(storage: Storage, s3: S3, kind: str) -> None:
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


def test_other_bytes_replace_those_before(storage: Storage) -> None:
    keep(storage, NAME, DATA)
    for data in (DATA[::-1], b"shorter"):
        assert read(storage, keep(storage, NAME, data)) == data


def test_many_bring_the_same_picture_at_once(storage: Storage) -> None:
    with ThreadPoolExecutor(8) as pool:
        (uri,) = set(pool.map(lambda _: keep(storage, NAME, DATA), range(16)))
    assert read(storage, uri) == DATA


@pytest.mark.parametrize("before", [None, 5], ids=["new", "replaced"])
def test_nobody_sees_half_a_picture(storage: Storage, before: int | None) -> None:
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


def test_a_source_that_is_gone_leaves_nothing(storage: Storage, s3: S3) -> None:
    with storage.temporary() as file:
        Path(file.name).unlink()
        with pytest.raises(StorageError):
            storage.put(NAME, file, content_type="image/png", sha256="0" * 64)
    assert names(storage, s3) == []


@pytest.mark.parametrize("kind", ["s3"])
def test_an_upload_that_breaks_off_leaves_nothing(
    storage: Storage, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(buckets.RETRY, "max_retries", 1)
    s3.gate = lambda request: UNAVAILABLE if "partNumber=2" in request else None
    with pytest.raises(StorageError, match="503"):
        keep(storage, NAME, bytes(LARGE))
    assert sum("partNumber=2" in request for request in s3.asked) == 2
    assert names(storage, s3) == []


@pytest.mark.parametrize("kind", ["file"])
def test_the_bytes_are_flushed_before_the_name_and_its_folders_after(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = storage.scratch.parent / NAME
    flushed: list[tuple[int, bool]] = []

    def fsync(descriptor: int) -> None:
        flushed.append((os.fstat(descriptor).st_ino, picture.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    keep(storage, NAME, DATA)
    inodes = [path.stat().st_ino for path in (picture, *picture.parents[:3])]
    assert flushed == list(zip(inodes, (False, True, True, True), strict=True))


@pytest.mark.parametrize("kind", ["file"])
@pytest.mark.parametrize("known", [False, True], ids=["new", "put before"])
def test_names_that_more_follow_are_flushed_with_the_last(
    storage: Storage, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a worker that finds all of them there: who put them may have died before."""
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
    pictures = [(first, False, False), (last, True, False)] * (not known)
    folders = [(folder, True, True) for folder in first.parents[:3]]
    assert flushed == [(path.stat().st_ino, *there) for path, *there in (*pictures, *folders)]


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


def test_a_kill_in_the_middle_leaves_no_file_at_the_name(
    storage: Storage, s3: S3, kind: str
) -> None:
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


# Refused


def test_what_is_gone_is_not_found(storage: Storage) -> None:
    keep(storage, NAME, DATA)
    for name in ("job_1/1.png", "job_2/0.png", "job_1", f"{NAME}/more"):
        for part in ((), (1, 2)):
            with pytest.raises(FileNotFoundError):
                storage.open(uri_of(storage, name), *part)


@pytest.mark.parametrize(
    "name", ["", "/0.png", "../0.png", "a/../../b", "a/..", "a//b", "a/", ".incoming/a", "a\nb"]
)
def test_a_name_that_leads_elsewhere_is_refused(storage: Storage, s3: S3, name: str) -> None:
    with pytest.raises(ValueError, match="is not a valid name"):
        keep(storage, name, DATA)
    assert names(storage, s3) == []


def test_a_uri_outside_is_not_found(storage: Storage, tmp_path: Path, kind: str) -> None:
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
        f"s3://other-bucket/{NAME}",
        f"{kind}://elsewhere{storage.url.partition('//')[2]}/{NAME}",
    ):
        with pytest.raises(FileNotFoundError):
            storage.open(uri)


@pytest.mark.parametrize("kind", ["file"])
def test_a_folder_gives_nothing_away_by_links_or_scratch(storage: Storage, tmp_path: Path) -> None:
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
def test_a_folder_that_is_itself_a_link_is_read(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    storage.scratch.parent.symlink_to(tmp_path / "disk")
    uri = keep(storage, NAME, DATA)
    assert uri == uri_of(storage, NAME)
    assert read(storage, uri) == DATA


# Checked


def refused(storage: Storage) -> str:
    """The one line that a check ends with."""
    with pytest.raises(StorageError) as caught:
        storage.check()
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert SECRET not in str(caught.value) + repr(storage)
    return str(caught.value)


def test_a_check_leaves_nothing_behind(storage: Storage, s3: S3) -> None:
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
def test_a_folder_that_may_not_be_written_is_told(storage: Storage, nobody: None) -> None:
    line = refused(open_storage("file:///usr/imagequeue-test", Path("unused")))
    assert "/usr/imagequeue-test/.incoming cannot be used: Permission denied; let this" in line


@pytest.mark.parametrize("kind", ["file"])
def test_a_file_where_the_folder_should_be_is_told(storage: Storage, tmp_path: Path) -> None:
    storage.scratch.parent.write_text("a file")
    assert "Not a directory; let this user write there, or change IMAGEQUEUE_S" in refused(storage)
    (tmp_path / "half").mkdir()
    half = open_storage((tmp_path / "half").as_uri(), Path("unused"))
    (tmp_path / "half" / "job_1").write_text("a file")
    with pytest.raises(StorageError, match=r"0.png cannot be written: (File exists|Not a dir)"):
        keep(half, NAME, DATA)


@pytest.mark.parametrize("kind", ["s3"])
def test_a_scratch_that_cannot_be_used_is_told(url: str, tmp_path: Path) -> None:
    (tmp_path / "scratch").write_text("a file")
    assert f"{tmp_path}/scratch cannot be used" in refused(open_storage(url, tmp_path / "scratch"))


def test_a_bucket_that_is_not_there_is_told(s3: S3, tmp_path: Path) -> None:
    missing = open_storage("s3://no-such-bucket/here", tmp_path)
    line = refused(missing)
    assert line.startswith("s3://no-such-bucket/here: there is no such bucket")
    assert "are AWS_ACCESS_KEY_ID, " in line
    with pytest.raises(StorageError, match="no such bucket"):
        keep(missing, NAME, bytes(LARGE))


def test_an_endpoint_that_is_away_is_told(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    away = open_storage("s3://images", tmp_path)
    assert "after 4 retries" in refused(away)
    with pytest.raises(StorageError):
        away.open("s3://images/0.png")


def test_refused_credentials_are_told_and_not_shown(s3: S3, tmp_path: Path) -> None:
    body = f"<Error><Code>NotYours</Code>{SECRET}</Error>".encode()
    s3.gate = lambda request: ("403 Forbidden", body) if request.startswith("PUT") else None
    line = refused(open_storage("s3://images", tmp_path))
    assert "403 Forbidden (NotYours); does that bucket exist, and are AWS_ACCESS_KEY_ID" in line


def test_a_signature_in_a_url_is_not_shown(
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


@pytest.mark.parametrize(
    "wrong", [f"s3://key:{SECRET}@bucket/x", f"s3://bucket?k={SECRET}", f"s3://b/#{SECRET}", "ftp:"]
)
def test_a_url_is_no_place_for_secrets(wrong: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as opened:
        open_storage(wrong, tmp_path)
    with pytest.raises(ConfigError) as configured:
        read_settings(storage_url=wrong)
    assert SECRET not in str(opened.value) + str(configured.value)


@pytest.mark.parametrize(
    "wrong",
    [
        "file://relative",
        "file:///",
        "file:///a/../b",
        "file:///a/%2e%2e/b",
        "file:///a?b",
        "file:///a#b",
        "s3://",
        "s3:///prefix",
        "s3://bucket:80/prefix",
        "s3://bucket//prefix",
        "s3://bucket/a/./b",
        "gs://bucket/../b",
        "az://container/a b",
        "gcs://bucket",
        "https://bucket.s3.amazonaws.com/",
    ],
)
def test_a_setting_that_is_no_storage_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"^IMAGEQUEUE_STORAGE_URL: must (be file:///|name its)"):
        read_settings(storage_url=wrong)


@pytest.mark.parametrize(
    "right",
    ["file:///a b", "s3://bucket", "s3://a.b-c/d/e/", "gs://b_1/%C3%BC", "az://container/x"],
)
def test_a_setting_that_is_a_storage_is_taken(right: str) -> None:
    assert read_settings(storage_url=right).images_url == right


# Opened


@pytest.mark.parametrize(
    ("url", "store"), [("gs://bucket/a/b", "GCSStore"), ("az://container/a/b", "AzureStore")]
)
def test_a_url_opens_the_store_of_its_provider(
    s3: S3, url: str, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "somebody")
    storage = open_storage(url, tmp_path)
    assert isinstance(storage, buckets.BucketStorage)
    opened = storage._opened
    assert isinstance(opened, getattr(obstore.store, store))
    assert opened.prefix == "a/b"


def python(code: str, *arguments: object) -> str:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_who_keeps_files_does_not_load_obstore(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from imagequeue.storage import open_storage
open_storage(sys.argv[1], Path("unused")).check()
assert "obstore" not in sys.modules
open_storage("s3://bucket", Path("unused"))
assert "obstore" in sys.modules
"""
    python(code, tmp_path.as_uri())


def test_a_fork_before_the_first_use_works_and_one_after_it_is_told(s3: S3, tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from imagequeue.storage import StorageError, open_storage
storage = open_storage("s3://images/forked", Path(sys.argv[1]))
def forked():
    if pid := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    signal.alarm(20)
    try:
        storage.check()
    except StorageError as error:
        os._exit(3 if "before this process was forked" in str(error) else 4)
    os._exit(0)
before = forked()
storage.check()
print(before, forked())
"""
    assert python(code, tmp_path).split() == ["0", "3"]


# Bounds


def test_orphans_are_removed_now_and_then(
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


def test_a_temporary_file_is_gone_whatever_happens(storage: Storage) -> None:
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
def test_what_was_moved_is_not_removed(storage: Storage) -> None:
    with storage.temporary() as file:
        storage.put(NAME, file, content_type="image/png", sha256=hashlib.sha256().hexdigest())
        Path(file.name).write_bytes(b"of somebody else")
    assert [path.read_bytes() for path in storage.scratch.iterdir()] == [b"of somebody else"]


@pytest.mark.parametrize("lost", ["scratch", "job_1"])
def test_a_folder_that_was_removed_is_made_again(storage: Storage, lost: str) -> None:
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
def test_what_is_taken_in_parts_is_written_whole(tmp_path: Path, data: Any) -> None:
    with ReluctantTemporary(str(tmp_path / "a.part"), "xb+") as file:
        assert file.write(data) == len(bytes(data))
        assert file.write(b"and more") == 8
        file.seek(0)
        assert file.read() == bytes(data) + b"and more"


def test_a_disk_that_fills_up_in_the_middle_is_an_error(storage: Storage, s3: S3) -> None:
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
def test_the_memory_it_takes_does_not_grow_with_the_picture(
    storage: Storage, kind: str, tmp_path: Path
) -> None:
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
