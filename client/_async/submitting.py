"""The part of the client that submits jobs, one or thousands, and their images."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from ...errors import InvalidRequestError, JobFailedError
from .. import calls
from ..inputs import build_request, read_file, take_images
from ..responses import BatchAnswer, list_refused, locate
from ..results import RefusedJob, SubmittedJob, Upload
from .results import AsyncJob, OnUpdate, attach

if TYPE_CHECKING:
    from ..catalogue import Request
    from .transport import AsyncTransport
    from .waiting import AsyncWatch


class AsyncSubmitting:
    """Submits jobs and uploads images."""

    _transport: AsyncTransport
    _watch: AsyncWatch

    async def _run(
        self,
        provider: str,
        prompt: str,
        params: Mapping[str, Any] | None,
        options: Mapping[str, Any],
        timeout_s: float | None,
        on_update: OnUpdate | None,
    ) -> AsyncJob:
        job = await self._submit(provider, prompt, params, options)
        if on_update:
            on_update(job)
        if not job.is_finished:
            watch = self._watch.as_completed([job.id], timeout_s, on_update, are_new=True)
            async with aclosing(watch) as completed:
                job = await anext(completed)
        if job.state != "succeeded":
            raise JobFailedError(job)
        return job

    async def _submit(
        self,
        provider: str,
        prompt: str,
        params: Mapping[str, Any] | None,
        options: Mapping[str, Any],
    ) -> AsyncJob:
        fields = build_request(provider, prompt, params, options)
        key = fields.pop("idempotency_key", None) or calls.make_key()
        call = calls.submit(await self._upload_images(fields), key)
        job = await self._transport.fetch(call, AsyncJob)
        return attach(job, self._transport)

    async def submit_many(
        self,
        requests: Iterable[Request],
        *,
        on_refused: Callable[[RefusedJob], object] | None = None,
        chunk_size: int = calls.MAX_CHUNK,
        idempotency_key: str | None = None,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[SubmittedJob]:
        """Queue thousands of jobs, a batch for each `chunk_size`, and yield each once accepted.

        `requests` is read as it goes. Without `on_refused`, an invalid request raises
        InvalidRequestError, and none of its batch is queued; those before it are. `timeout_s` is
        for each batch, by default that of the client. Repeating the call with its `idempotency_key`
        returns the same jobs.
        """
        start, own_key = 0, calls.make_key()
        for chunk in calls.split(requests, chunk_size):
            lines = [calls.dump(await self._upload_images(dict(each))) for each in chunk]
            key = f"{idempotency_key or own_key}/{start}"
            call = calls.submit_chunk(lines, "skip" if on_refused else "refuse", key)
            accepted: Iterable[SubmittedJob] = ()
            try:
                answer = await self._transport.fetch(call, BatchAnswer, timeout_s)
                accepted, refused = answer.list_accepted(start), answer.list_refused(start)
            except InvalidRequestError as error:
                refused = list_refused(error, start)
                if not on_refused:
                    raise locate(refused) from None
            for job in refused:
                if on_refused:
                    on_refused(job)
            for each in accepted:
                yield each
            start += len(chunk)

    async def upload(self, source: str | os.PathLike[str] | bytes) -> Upload:
        """Store an image of up to 30 MB, from a path or bytes; give its id as an `image`.

        Raises InvalidRequestError unless it is a PNG, JPEG, WebP or GIF.
        """
        return await self._transport.fetch(calls.upload(read_file(source)), Upload)

    async def _upload_images(self, fields: dict[str, Any]) -> dict[str, Any]:
        if images := take_images(fields):
            fields["image_urls"] = [
                each if isinstance(each, str) else (await self.upload(each)).id for each in images
            ]
        return fields
