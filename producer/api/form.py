"""Multipart forms: their texts, and their files, stored as uploads."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from ...errors import (
    BudgetExceededError,
    IdempotencyConflictError,
    InvalidRequestError,
    LimitError,
    Problem,
)
from ...jobs.upload import Upload
from ..input_images import MAX_UPLOAD_BYTES, InputImages
from .images import storage_errors_as_503

MAX_FORM_BYTES = 128 * 1024 * 1024
"""The largest body of a form: files beyond one megabyte wait on the disk."""
MAX_FILES = 16
# The texts are held in memory: these bound them together.
MAX_FIELDS = 100
MAX_TEXT_BYTES = 128 * 1024
REFUSALS: tuple[type[Exception], ...] = (
    BudgetExceededError,
    HTTPException,
    IdempotencyConflictError,
    InvalidRequestError,
    LimitError,
)
"""What says that no job is stored. After any other error one may be, and needs its images."""


class Form(NamedTuple):
    """The parts of a form in their order, each with its name; a name may occur several times."""

    texts: list[tuple[str, str]]
    uploads: list[tuple[str, Upload]]


async def read_form(
    request: Request,
    images: InputImages,
    caller: str,
    *,
    max_files: int = MAX_FILES,
    max_fields: int = MAX_FIELDS,
    max_text_bytes: int = MAX_TEXT_BYTES,
    text_files: Collection[str] = (),
    skips_unchosen: bool = False,
) -> Form:
    """Read a form and store its files, each an image of at most MAX_UPLOAD_BYTES, as uploads.

    Parts that `text_files` names are texts also if they are sent as files. `skips_unchosen` leaves
    out the empty part that a browser sends for a file field without a file. Either every file is
    stored or none.

    Raises HTTPException 400, 413, 415 or 503, or InvalidRequestError that names the file's field.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise HTTPException(415, "send the fields and files as multipart/form-data")
    limits = {"max_files": max_files, "max_fields": max_fields, "max_part_size": max_text_bytes}
    async with request.form(**limits) as form:
        parts = form.multi_items()
        texts: list[tuple[str, str]] = []
        files: list[tuple[str, UploadFile]] = []
        for name, part in parts:
            if isinstance(part, str):
                texts.append((name, part))
            elif name in text_files:
                texts.append((name, await _read_text(name, part, max_text_bytes)))
            elif part.filename or part.size or not skips_unchosen:
                files.append((name, part))
        counts, seen = Counter(name for name, _ in files), Counter[str]()
        uploads: list[tuple[str, Upload]] = []
        try:
            # One at a time: a form must not take the threads of all other requests.
            for name, file in files:
                place = name if counts[name] == 1 else f"{name}.{seen[name]}"
                seen[name] += 1
                upload = await run_in_threadpool(_store, place, file, images, caller)
                uploads.append((name, upload))
        except (HTTPException, InvalidRequestError):
            await run_in_threadpool(images.discard, [upload for _, upload in uploads])
            raise
        return Form(texts, uploads)


@asynccontextmanager
async def discarding(
    images: InputImages,
    uploads: Sequence[Upload],
    refusals: tuple[type[Exception], ...] = REFUSALS,
) -> AsyncIterator[None]:
    """Delete uploads if the request that they came with is refused."""
    try:
        yield
    except refusals:
        await run_in_threadpool(images.discard, uploads)
        raise


async def _read_text(name: str, file: UploadFile, max_bytes: int) -> str:
    content = await file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise HTTPException(413, f"{name}: a text may have {max_bytes} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise HTTPException(400, f"{name}: the text is not UTF-8") from None


def _store(name: str, sent: UploadFile, images: InputImages, caller: str) -> Upload:
    if (sent.size or 0) > MAX_UPLOAD_BYTES:
        raise HTTPException(413, f"{name}: a file may have {MAX_UPLOAD_BYTES} bytes")
    with storage_errors_as_503(), images.storage.temporary() as file:
        shutil.copyfileobj(sent.file, file)
        try:
            return images.add(file, caller)
        except InvalidRequestError as error:
            problems = [Problem(name, problem.message) for problem in error.problems]
            raise InvalidRequestError(problems) from None
