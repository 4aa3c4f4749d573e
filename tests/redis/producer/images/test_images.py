"""Images over the HTTP API: whole or in part, and never from outside the storage."""

import re
from pathlib import Path
from typing import Any

import pytest

from imagequeue.config.settings import Settings
from imagequeue.jobs.job import Image, State
from imagequeue.storage import buckets, open_storage
from imagequeue.worker.context import Context
from support.images import ETAG, PNG, SIZE, get, stored
from support.jobs import queued
from support.paths import VIDEO
from support.s3 import S3, UNAVAILABLE, keep


def test_image_is_served_whole(url: str) -> None:
    answer = get(url)
    assert (answer.status_code, answer.content) == (200, PNG)
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Length"] == str(SIZE)
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["ETag"] == ETAG
    assert "immutable" in answer.headers["Cache-Control"]
    assert "private" in answer.headers["Cache-Control"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


PARTS = [
    ("bytes=0-0", 0, 1),
    ("bytes=10-99", 10, 100),
    ("bytes=100-", 100, SIZE),
    ("bytes=-100", SIZE - 100, SIZE),
    (f"bytes=-{SIZE + 5}", 0, SIZE),
    (f"bytes=0-{SIZE * 10}", 0, SIZE),
    (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
]
BEYOND = [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 9}", "bytes=-0"]
IGNORED = [
    "bytes=",
    "bytes=-",
    "bytes=5-3",
    "bytes=a-b",
    "bytes=0-1,5-6",
    "bytes=--5",
    "bytes=0x1-",
    "items=0-1",
    "nonsense",
    f"bytes={'9' * 5000}-",
    f"bytes=-{'9' * 5000}",
]


def test_range_of_an_image_is_served(url: str) -> None:
    for asked, start, end in PARTS:
        answer = get(url, Range=asked)
        assert (answer.status_code, answer.content) == (206, PNG[start:end]), asked
        assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{SIZE}"
        assert answer.headers["Content-Length"] == str(end - start)
        assert answer.headers["ETag"] == ETAG


def test_range_beyond_the_end_is_refused(url: str) -> None:
    for asked in BEYOND:
        answer = get(url, Range=asked)
        assert answer.status_code == 416, asked
        assert answer.headers["Content-Range"] == f"bytes */{SIZE}"
        assert answer.json()["detail"] == f"the image has {SIZE} bytes"


def test_unsupported_range_is_ignored(url: str) -> None:
    for asked in IGNORED:
        answer = get(url, Range=asked)
        assert (answer.status_code, answer.content) == (200, PNG), asked


def test_cached_image_is_not_sent_again(url: str) -> None:
    for tags in (ETAG, f"W/{ETAG}", f'"other", {ETAG}', "*"):
        answer = get(url, If_None_Match=tags)
        assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", ETAG)
    assert get(url, If_None_Match='"other"').content == PNG


def test_video_is_served_with_ranges(api: str, ctx: Context) -> None:
    data = VIDEO.read_bytes()
    video = f"{api}/{stored(ctx, data, '{}/0.mp4')}/images/0"
    whole, part = get(video), get(video, Range="bytes=1000-1999")
    assert (whole.content, whole.headers["Content-Type"]) == (data, "video/mp4")
    assert (part.status_code, part.content) == (206, data[1000:2000])


@pytest.mark.parametrize("rest", ["images/0", "images/0/thumbnail", "images/1", "images/-1"])
def test_missing_image_number_is_404(api: str, ctx: Context, rest: str) -> None:
    answer = get(f"{api}/{queued(ctx)}/{rest}")
    assert answer.status_code == 404
    assert "has no saved image" in answer.json()["detail"]


@pytest.mark.parametrize("kind", ["file"])
def test_pending_image_is_404(api: str, ctx: Context) -> None:
    job_id = queued(ctx)
    image = Image(index=0, source_url="https://x/0", expires_at=ctx.now())
    for state in (State.SUBMITTING, State.DOWNLOADING):
        ctx.store.transition(
            ctx.store.get(job_id),
            lambda job: job.transition_to(state, "test", ctx.now(), ctx.now(), images=(image,)),  # noqa: B023
        )
    assert "has no saved image" in get(f"{api}/{job_id}/images/0").json()["detail"]


@pytest.mark.parametrize("rest", ["images/0", "images/0/thumbnail"])
def test_image_deleted_from_storage_is_404(
    api: str, ctx: Context, settings: Settings, rest: str
) -> None:
    gone = ctx.storage.uri("job_0/0.png")
    answer = get(f"{api}/{stored(ctx, uri=gone)}/{rest}")
    assert (answer.status_code, "no longer" in answer.json()["detail"]) == (404, True)


@pytest.mark.parametrize("rest", ["images/0", "images/0/thumbnail"])
def test_uri_outside_the_storage_is_refused(
    api: str, ctx: Context, tmp_path: Path, rest: str
) -> None:
    """Every URI leads to an existing image: in another folder, another prefix, on this machine."""
    other = open_storage(f"{ctx.storage.url}-other", tmp_path / "scratch")
    stolen = keep(other, "0.png", PNG)
    (tmp_path / "outside.png").write_bytes(PNG)
    inside, outside = ctx.storage.url, ctx.storage.url.rpartition("/")[2] + "-other"
    for uri in (
        stolen,
        f"{inside}/../{outside}/0.png",
        f"{inside}/%2e%2e/{outside}/0.png",
        (tmp_path / "outside.png").as_uri(),
        str(tmp_path / "outside.png"),
        "file:///etc/passwd",
        "http://127.0.0.1/0.png",
    ):
        answer = get(f"{api}/{stored(ctx, uri=uri)}/{rest}")
        assert answer.status_code == 404, uri
        assert PNG not in answer.content


@pytest.mark.parametrize("rest", ["", "/thumbnail"])
def test_storage_failure_is_a_503(
    url: str,
    ctx: Context,
    s3: S3,
    rest: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(buckets.RETRY, "max_retries", 0)
    if ctx.storage.url.startswith("file"):

        def refused(*_: Any, **__: Any) -> Any:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "is_file", refused)
    else:
        monkeypatch.setattr(s3, "gate", lambda _: UNAVAILABLE)
    answer = get(url + rest)
    assert answer.status_code == 503
    assert re.search("Permission denied|503", answer.json()["detail"])
