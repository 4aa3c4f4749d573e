"""Thumbnails over the HTTP API: made once, stored next to the image, none of a video."""

import io
import os
from threading import BoundedSemaphore
from typing import Any

import PIL.Image
import pytest

from imagequeue.producer.api import images
from imagequeue.worker.context import Context
from support.images import PNG, get, stored
from support.paths import VIDEO
from support.s3 import S3, keep


def test_video_has_no_thumbnail(api: str, ctx: Context) -> None:
    answer = get(f"{api}/{stored(ctx, VIDEO.read_bytes(), '0.mp4')}/images/0/thumbnail")
    assert answer.status_code == 404
    assert "no thumbnail" in answer.json()["detail"]
    assert list(ctx.storage.scratch.glob("*")) == []


def test_thumbnail_is_made_once_and_stored(
    url: str, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    original = images.make_thumbnail
    monkeypatch.setattr(
        images, "make_thumbnail", lambda *paths: (made.append(paths), original(*paths))[1]
    )
    first = get(f"{url}/thumbnail")
    assert (first.status_code, first.headers["Content-Type"]) == (200, "image/webp")
    with PIL.Image.open(io.BytesIO(first.content)) as small:
        assert (small.format, small.size) == ("WEBP", (320, 240))
    job_id = url.split("/")[-3]
    thumbnail = ctx.storage.open(ctx.storage.uri(f"{job_id}/0.thumbnail.webp"))
    assert b"".join(thumbnail.chunks) == first.content
    assert thumbnail.content_type == "image/webp"
    assert get(f"{url}/thumbnail").content == first.content
    assert len(made) == 1
    assert list(ctx.storage.scratch.glob("*")) == []


def test_image_by_a_template_has_its_thumbnail_in_the_folder_of_the_job(
    api: str, ctx: Context
) -> None:
    job_id = stored(ctx, name="cats/café 7.png")
    assert get(f"{api}/{job_id}/images/0").content == PNG
    first = get(f"{api}/{job_id}/images/0/thumbnail")
    thumbnail = ctx.storage.open(ctx.storage.uri(f"{job_id}/0.thumbnail.webp"))
    assert b"".join(thumbnail.chunks) == first.content


def test_excess_thumbnails_get_503(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_drawing_slots", BoundedSemaphore(1))
    with images._hold_drawing_slot():
        refused = get(f"{url}/thumbnail")
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert get(f"{url}/thumbnail").ok


def test_stored_thumbnail_is_served(url: str, ctx: Context) -> None:
    keep(ctx.storage, f"{url.split('/')[-3]}/0.thumbnail.webp", b"stored", "image/webp")
    assert get(f"{url}/thumbnail").content == b"stored"


def test_thumbnail_is_served_even_if_it_cannot_be_stored(
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
