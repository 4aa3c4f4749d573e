"""Saved images as a zip file, which is written while they are read from the storage."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath
from zipfile import ZipFile, ZipInfo

from ..jobs.job import Image, Job
from ..storage import Storage, StorageError
from ..storage.base import CHUNK_BYTES
from .pipe import Pipe

MAX_IMAGES = 500
MISSING_NAME = "missing.txt"
MAX_SLUG_CHARACTERS = 60


def name_image(job: Job, image: Image) -> str:
    """Return a file name that says what an image shows, and that no other image has."""
    slug = re.sub(r"[\W_]+", "-", job.prompt.lower())[:MAX_SLUG_CHARACTERS].strip("-")
    suffix = PurePosixPath(image.name or image.uri or "").suffix
    return f"{slug or job.action}-{job.id}-{image.index}{suffix}"


def write_zip(
    storage: Storage,
    jobs: Iterable[Job],
    find_rest: Callable[[str], str] = lambda _: "select fewer jobs",
) -> Iterator[bytes]:
    """Yield a zip file of the results of jobs, in pieces of bounded size.

    Its MISSING_NAME lists what could not be read, and why. It ends with the job that reaches
    MAX_IMAGES, and then says what `find_rest` returns for the jobs after that id.
    """
    pipe, missing, count = Pipe(), list[str](), 0
    # Images are compressed already.
    with ZipFile(pipe, "w") as archive:
        last = ""
        for job in jobs:
            if count >= MAX_IMAGES:
                missing.append(f"There are more images: {find_rest(last)}")
                break
            for image in job.images:
                if image.state == "skipped":
                    continue
                count += 1
                try:
                    yield from _write_image(archive, pipe, storage, job, image)
                except FileNotFoundError:
                    missing.append(f"{job.id}/{image.index}: no longer at {image.uri}")
                except (StorageError, OSError) as error:
                    missing.append(f"{job.id}/{image.index}: {error}")
            last = job.id
        if missing or not count:
            text = "\n".join(missing or ["No image matches."])
            archive.writestr(MISSING_NAME, f"{text}\n")
    yield pipe.take()


def _write_image(
    archive: ZipFile, pipe: Pipe, storage: Storage, job: Job, image: Image
) -> Iterator[bytes]:
    """Yield the pieces of an image, none unless all of it can be read.

    Raises FileNotFoundError, StorageError or OSError.
    """
    if image.uri is None:
        raise StorageError("not saved")
    blob = storage.open(image.uri)
    info = ZipInfo(name_image(job, image), job.updated_at.timetuple()[:6])
    # Above some size, the head of an entry is another one.
    info.file_size = blob.size
    # What was sent cannot be taken back: a file that ends early must not look complete.
    with storage.temporary() as whole:
        for chunk in blob.chunks:
            whole.write(chunk)
        if whole.tell() != blob.size:
            raise StorageError(f"{whole.tell()} of {blob.size} bytes could be read")
        whole.seek(0)
        with archive.open(info, "w") as entry:
            while chunk := whole.read(CHUNK_BYTES):
                entry.write(chunk)
                yield pipe.take()
