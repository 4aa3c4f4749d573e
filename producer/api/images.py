"""Saved images as HTTP responses, whole or in part, from any storage."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import BoundedSemaphore

from fastapi import HTTPException, Request
from fastapi.responses import Response, StreamingResponse

from ...config.http.security_headers import IMAGE_POLICY
from ...jobs.job import Image, Job
from ...storage import Blob, Storage, StorageError
from ...storage.thumbnails import NoThumbnailError, make_thumbnail

# A saved image never changes: saved again, it has the same bytes.
IMMUTABLE = "private, max-age=31536000, immutable"
THUMBNAIL_TYPE = "image/webp"
# Requests that wait for their turn to draw occupy threads that other requests need.
MAX_DRAWING = 16
_drawing_slots = BoundedSemaphore(MAX_DRAWING)


def find_image(job: Job, n: int) -> Image:
    """Return a saved image of a job; raises HTTPException 404."""
    found = next((image for image in job.all_images if image.index == n), None)
    if found is None or found.uri is None:
        raise HTTPException(404, f"{job.id} has no saved image {n}")
    return found


def serve_image(storage: Storage, image: Image, request: Request) -> Response:
    """Return an image or video, or the range of it that the request asks for."""
    etag = f'"{image.sha256}"'
    headers = {
        "ETag": etag,
        "Cache-Control": IMMUTABLE,
        "Accept-Ranges": "bytes",
        "Content-Security-Policy": IMAGE_POLICY,
    }
    known = request.headers.get("if-none-match", "")
    if etag in known or known == "*":  # also in a list, or made weak by a proxy
        return Response(status_code=304, headers=headers)
    part = _parse_range(request.headers.get("range", ""), image.bytes or 0)
    with storage_errors_as_503():
        blob = open_image(storage, image, *(part or (0, None)))
    status, length = 200, blob.size
    if part:
        status, length = 206, part[1] - part[0]
        headers["Content-Range"] = f"bytes {part[0]}-{part[1] - 1}/{blob.size}"
    headers["Content-Length"] = str(length)
    return StreamingResponse(blob.chunks, status, headers, media_type=image.content_type)


def serve_thumbnail(storage: Storage, job: Job, image: Image) -> Response:
    """Return a thumbnail, made on the first request and stored next to the image."""
    name = f"{job.id}/{image.index}.thumbnail.webp"
    with storage_errors_as_503():
        try:
            data = b"".join(storage.open(storage.uri(name)).chunks)
        except FileNotFoundError:
            with _hold_drawing_slot():
                data = _create_thumbnail(storage, image, name)
    headers = {"Cache-Control": IMMUTABLE}
    return Response(data, headers=headers, media_type=THUMBNAIL_TYPE)


@contextmanager
def _hold_drawing_slot() -> Iterator[None]:
    """Count a request that draws a thumbnail; raises HTTPException 503 above the limit."""
    if not _drawing_slots.acquire(blocking=False):
        raise HTTPException(503, "many thumbnails are being made: try again", {"Retry-After": "1"})
    try:
        yield
    finally:
        _drawing_slots.release()


def _create_thumbnail(storage: Storage, image: Image, name: str) -> bytes:
    with storage.temporary() as source, storage.temporary() as target:
        for chunk in open_image(storage, image).chunks:
            source.write(chunk)
        try:
            make_thumbnail(Path(source.name), Path(target.name))
        except NoThumbnailError as error:
            raise HTTPException(404, str(error)) from None
        data = target.read()
        sha256 = hashlib.sha256(data).hexdigest()
        # The thumbnail exists: if it is not stored, the next request makes it again.
        with suppress(StorageError):
            storage.put(name, target, content_type=THUMBNAIL_TYPE, sha256=sha256)
    return data


def open_image(storage: Storage, image: Image, start: int = 0, end: int | None = None) -> Blob:
    """Return a saved image, or a part of it; raises HTTPException 404, or StorageError."""
    try:
        return storage.open(image.uri or "", start, end)
    except FileNotFoundError:
        raise HTTPException(404, f"image {image.index} is no longer at {image.uri}") from None


@contextmanager
def storage_errors_as_503() -> Iterator[None]:
    """Turn a storage error, which may be temporary, into HTTPException 503."""
    try:
        yield
    except StorageError as error:
        raise HTTPException(503, str(error)) from None


def _parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Return a range as start and excluded end; None for the whole or an unsupported header.

    Raises HTTPException 416 for a range beyond the end.
    """
    found = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", header)
    if not found or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if start >= size:
        raise HTTPException(
            416, f"the image has {size} bytes", {"Content-Range": f"bytes */{size}"}
        )
    return (start, end) if start < end else None
