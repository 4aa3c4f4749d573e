"""Multipart forms: their texts, and their files, stored as uploads."""

from __future__ import annotations

import shutil
from typing import NamedTuple

from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from ...errors import InvalidRequestError, Problem
from ...jobs.upload import Upload
from ..input_images import MAX_UPLOAD_BYTES, InputImages
from .images import storage_errors_as_503

MAX_FORM_BYTES = 128 * 1024 * 1024
"""The largest body of a form: files beyond one megabyte wait on the disk."""
MAX_FILES = 16
# The texts are held in memory: these bound them together.
MAX_FIELDS = 100
MAX_TEXT_BYTES = 128 * 1024


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
) -> Form:
    """Read a form and store its files, each an image of at most MAX_UPLOAD_BYTES, as uploads.

    Raises HTTPException 400, 413, 415 or 503, or InvalidRequestError that names the file's field.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise HTTPException(415, "send the fields and files as multipart/form-data")
    limits = {"max_files": max_files, "max_fields": max_fields, "max_part_size": max_text_bytes}
    async with request.form(**limits) as form:
        parts = form.multi_items()
        files = [(name, part) for name, part in parts if isinstance(part, UploadFile)]
        for name, file in files:
            if (file.size or 0) > MAX_UPLOAD_BYTES:
                raise HTTPException(413, f"{name}: a file may have {MAX_UPLOAD_BYTES} bytes")
        # One at a time: a form must not take the threads of all other requests.
        uploads = [
            (name, await run_in_threadpool(_store, name, file, images, caller))
            for name, file in files
        ]
        return Form([(name, part) for name, part in parts if isinstance(part, str)], uploads)


def _store(name: str, sent: UploadFile, images: InputImages, caller: str) -> Upload:
    with storage_errors_as_503(), images.storage.temporary() as file:
        shutil.copyfileobj(sent.file, file)
        try:
            return images.add(file, caller)
        except InvalidRequestError as error:
            problems = [Problem(name, problem.message) for problem in error.problems]
            raise InvalidRequestError(problems) from None
