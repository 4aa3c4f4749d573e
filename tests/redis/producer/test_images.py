"""Pictures over the HTTP API: whole, in part or small, and never from outside the storage."""

import hashlib
import io
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image as Picture

from imagequeue.config.settings import Settings
from imagequeue.jobs.job import Image, State
from imagequeue.producer.api import images
from imagequeue.producer.api.application import create_app
from imagequeue.storage import buckets, open_storage
from imagequeue.worker.context import Context
from support.asgi import serving
from support.hostile import picture
from support.jobs import queued
from support.paths import VIDEO
from support.s3 import S3, UNAVAILABLE, keep

PNG = picture(size=(800, 600))
SIZE = len(PNG)
ETAG = f'"{hashlib.sha256(PNG).hexdigest()}"'


@pytest.fixture(params=["file", "s3"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def overrides(
    overrides: dict[str, str],
    kind: str,
    s3: S3,
    tmp_path: Path,
) -> dict[str, str]:
    at = f"file://{tmp_path}/pictures" if kind == "file" else f"s3://images/{tmp_path.name}"
    return {**overrides, "storage_url": at}


@pytest.fixture
def api(settings: Settings) -> Iterator[str]:
    with serving(create_app(settings)) as url:
        yield f"{url}/v1/jobs"


def stored(ctx: Context, data: bytes = PNG, name: str = "0.png", **fields: Any) -> str:
    """A job with one image in storage; returns its id."""
    job_id = queued(ctx)
    content_type = "video/mp4" if name.endswith("mp4") else "image/png"
    image = Image(
        index=0,
        source_url="https://x/0",
        expires_at=ctx.now() + timedelta(hours=1),
        state="stored",
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        content_type=content_type,
        uri=fields.get("uri") or keep(ctx.storage, f"{job_id}/{name}", data, content_type),
    )
    for state in (State.SUBMITTING, State.DOWNLOADING):
        ctx.store.transition(
            ctx.store.get(job_id),
            lambda job: job.transition_to(state, "test", ctx.now(), ctx.now(), images=(image,)),  # noqa: B023
        )
    return job_id


@pytest.fixture
def url(api: str, ctx: Context) -> str:
    """A saved picture's."""
    return f"{api}/{stored(ctx)}/images/0"


def get(url: str, **headers: str) -> requests.Response:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(url, headers=headers, timeout=30)


def test_a_picture_is_served_whole(url: str) -> None:
    answer = get(url)
    assert (answer.status_code, answer.content) == (200, PNG)
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Length"] == str(SIZE)
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["ETag"] == ETAG
    assert "immutable" in answer.headers["Cache-Control"]
    assert "private" in answer.headers["Cache-Control"]


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


def test_a_part_of_a_picture_is_served(url: str) -> None:
    for asked, start, end in PARTS:
        answer = get(url, Range=asked)
        assert (answer.status_code, answer.content) == (206, PNG[start:end]), asked
        assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{SIZE}"
        assert answer.headers["Content-Length"] == str(end - start)
        assert answer.headers["ETag"] == ETAG


def test_a_part_beyond_the_end_is_refused(url: str) -> None:
    for asked in BEYOND:
        answer = get(url, Range=asked)
        assert answer.status_code == 416, asked
        assert answer.headers["Content-Range"] == f"bytes */{SIZE}"
        assert answer.json()["detail"] == f"the image has {SIZE} bytes"


def test_a_range_that_is_not_understood_is_ignored(url: str) -> None:
    for asked in IGNORED:
        answer = get(url, Range=asked)
        assert (answer.status_code, answer.content) == (200, PNG), asked


def test_what_is_known_is_not_sent_again(url: str) -> None:
    for tags in (ETAG, f"W/{ETAG}", f'"other", {ETAG}', "*"):
        answer = get(url, If_None_Match=tags)
        assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", ETAG)
    assert get(url, If_None_Match='"other"').content == PNG


def test_a_video_is_served_and_sought_in(api: str, ctx: Context) -> None:
    data = VIDEO.read_bytes()
    video = f"{api}/{stored(ctx, data, '0.mp4')}/images/0"
    whole, part = get(video), get(video, Range="bytes=1000-1999")
    assert (whole.content, whole.headers["Content-Type"]) == (data, "video/mp4")
    assert (part.status_code, part.content) == (206, data[1000:2000])


def test_a_video_has_no_thumbnail(api: str, ctx: Context) -> None:
    answer = get(f"{api}/{stored(ctx, VIDEO.read_bytes(), '0.mp4')}/images/0/thumbnail")
    assert answer.status_code == 404
    assert "no thumbnail" in answer.json()["detail"]
    assert list(ctx.storage.scratch.glob("*")) == []


def test_a_thumbnail_is_drawn_once_and_kept_beside_its_picture(
    url: str, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    original = images.make_thumbnail
    monkeypatch.setattr(
        images, "make_thumbnail", lambda *paths: (drawn.append(paths), original(*paths))[1]
    )
    first = get(f"{url}/thumbnail")
    assert (first.status_code, first.headers["Content-Type"]) == (200, "image/webp")
    with Picture.open(io.BytesIO(first.content)) as small:
        assert (small.format, small.size) == ("WEBP", (320, 240))
    job_id = url.split("/")[-3]
    kept = ctx.storage.open(ctx.storage.uri(f"{job_id}/0.thumbnail.webp"))
    assert b"".join(kept.chunks) == first.content
    assert kept.content_type == "image/webp"
    assert get(f"{url}/thumbnail").content == first.content
    assert len(drawn) == 1
    assert list(ctx.storage.scratch.glob("*")) == []


def test_a_kept_thumbnail_is_what_is_served(url: str, ctx: Context) -> None:
    keep(ctx.storage, f"{url.split('/')[-3]}/0.thumbnail.webp", b"kept", "image/webp")
    assert get(f"{url}/thumbnail").content == b"kept"


@pytest.mark.parametrize("rest", ["images/0", "images/0/thumbnail", "images/1", "images/-1"])
def test_a_job_without_that_image_has_none_to_show(api: str, ctx: Context, rest: str) -> None:
    answer = get(f"{api}/{queued(ctx)}/{rest}")
    assert answer.status_code == 404
    assert "has no saved image" in answer.json()["detail"]


@pytest.mark.parametrize("kind", ["file"])
def test_a_picture_that_is_still_to_be_saved_is_none_to_show(api: str, ctx: Context) -> None:
    job_id = queued(ctx)
    image = Image(index=0, source_url="https://x/0", expires_at=ctx.now())
    for state in (State.SUBMITTING, State.DOWNLOADING):
        ctx.store.transition(
            ctx.store.get(job_id),
            lambda job: job.transition_to(state, "test", ctx.now(), ctx.now(), images=(image,)),  # noqa: B023
        )
    assert "has no saved image" in get(f"{api}/{job_id}/images/0").json()["detail"]


@pytest.mark.parametrize("rest", ["images/0", "images/0/thumbnail"])
def test_a_picture_that_is_gone_is_not_found(
    api: str, ctx: Context, settings: Settings, rest: str
) -> None:
    gone = ctx.storage.uri("job_0/0.png")
    answer = get(f"{api}/{stored(ctx, uri=gone)}/{rest}")
    assert (answer.status_code, "no longer" in answer.json()["detail"]) == (404, True)


@pytest.mark.parametrize("rest", ["images/0", "images/0/thumbnail"])
def test_a_record_that_points_outside_the_storage_is_not_followed(
    api: str, ctx: Context, tmp_path: Path, rest: str
) -> None:
    """What it points to is there: a picture in another folder, bucket prefix, and machine file."""
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
def test_storage_in_trouble_is_told_as_such(
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


def test_a_thumbnail_that_cannot_be_kept_is_shown_all_the_same(
    url: str,
    ctx: Context,
    s3: S3,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refused)
    monkeypatch.setattr(
        s3,
        "gate",
        lambda request: ("403 Forbidden", b"") if request.startswith("PUT") else None,
    )
    answer = get(f"{url}/thumbnail")
    assert (answer.status_code, answer.content[8:12]) == (200, b"WEBP")
