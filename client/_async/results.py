"""A job and its images, which know where they are served."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from .. import calls
from ..results import ImageFields, JobFields
from ..saving import save

if TYPE_CHECKING:
    from .transport import AsyncTransport


class AsyncImage(ImageFields, frozen=True, kw_only=True, dict=True):
    """One image or video of a job: its bytes, its address, and what is known of it."""

    if TYPE_CHECKING:
        url: str
        """Where the API of the queue serves it; it asks for the API key."""
        _job_id: str
        _transport: AsyncTransport

    async def read(self) -> bytes:
        """Return its bytes; raises NotFoundError while it is not stored."""
        return await self._transport.send(calls.read_image(self._job_id, self.index))

    async def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it to a file, whole or not at all, and return the path."""
        return save(await self.read(), path)


class AsyncJob(JobFields, frozen=True, kw_only=True, dict=True):
    """A request for images, its state and its images."""

    images: list[AsyncImage] = []
    """Its results."""
    origins: list[AsyncImage] = []
    """What the provider lists beside the results; saved only if the queue is set up so."""

    @property
    def image(self) -> AsyncImage:
        """Its first image; raises IndexError if it has none."""
        return self.images[0]


OnUpdate = Callable[[AsyncJob], object]


class AsyncPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of jobs."""

    jobs: list[AsyncJob]
    cursor: str | None = None


def attach(job: AsyncJob, transport: AsyncTransport) -> AsyncJob:
    """Let the images of a job know where to read them, and return it."""
    for image in (*job.images, *job.origins):
        path = calls.read_image(job.id, image.index).path
        vars(image).update(url=transport.url + path, _job_id=job.id, _transport=transport)
    return job
