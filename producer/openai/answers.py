"""The answer with the images of finished jobs, streamed: an image is never in memory as a whole."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, Literal, NamedTuple

from fastapi.responses import Response, StreamingResponse

from ...jobs.job import Image, Job, State
from ...jobs.tokens import sign_result
from ...storage import Storage
from ..api.images import open_image, storage_errors_as_503
from .errors import describe_failure

URL_LIFETIME_S = 3600
"""How long the URL of an image lives, as long as OpenAI's."""

ResponseFormat = Literal["url", "b64_json"] | None


class Source(NamedTuple):
    """Where the images are, and how their URLs are made."""

    storage: Storage
    secrets: tuple[bytes, ...]
    base_url: str
    """The address of this API, as its caller knows it."""
    now: datetime


def build_answer(
    answer_id: str, jobs: Sequence[Job], response_format: ResponseFormat, source: Source
) -> Response:
    """Return the images of the jobs that succeeded; raises OpenAIError if none did."""
    made = [job for job in jobs if job.state is State.SUCCEEDED]
    if not made:
        raise describe_failure(jobs[0])
    images = [(job, image) for job in made for image in job.images]
    head: dict[str, Any] = {
        "created": int(max(job.updated_at for job in made).timestamp()),
        "id": answer_id,
        "job": answer_id,
    }
    if failed := [describe_failure(job).details.model_dump() for job in jobs if job not in made]:
        head["errors"] = failed
    parts = [_iter_item(job, image, response_format, source) for job, image in images]
    content = _iter_document(head, parts)
    # Opens the first image: what prevents that is an error, and no response that breaks off.
    with storage_errors_as_503():
        start = [next(content), next(content)]
    return StreamingResponse(chain(start, content), media_type="application/json")


def _iter_document(head: dict[str, Any], items: Sequence[Iterator[bytes]]) -> Iterator[bytes]:
    yield f'{json.dumps(head)[:-1]}, "data": ['.encode()
    for index, item in enumerate(items):
        first = next(item)
        yield b", " * (index > 0) + first
        yield from item
    yield b"]}"


def _iter_item(
    job: Job, image: Image, response_format: ResponseFormat, source: Source
) -> Iterator[bytes]:
    item = {} if response_format == "b64_json" else {"url": _build_url(job, image, source)}
    if response_format == "url":
        yield json.dumps(item).encode()
        return
    blob = open_image(source.storage, image)
    start = f"{json.dumps(item)[:-1]}, " if item else "{"
    yield f'{start}"b64_json": "'.encode()
    yield from _encode_base64(blob.chunks)
    yield b'"}'


def _build_url(job: Job, image: Image, source: Source) -> str:
    expires = int(source.now.timestamp()) + URL_LIFETIME_S
    signature = sign_result(source.secrets, job.id, image.index, expires)
    path = f"v1/images/{job.id}/files/{image.index}"
    return f"{source.base_url}{path}?expires={expires}&signature={signature}"


def _encode_base64(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        content = rest + chunk
        end = len(content) - len(content) % 3
        rest = content[end:]
        yield base64.b64encode(content[:end])
    yield base64.b64encode(rest)
