# Written by `make client` from _async/submitting.py: change that one.
"""The part of the client that submits jobs, one or thousands, and their images."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from ...errors import InvalidRequestError, JobFailedError
from .. import calls
from ..inputs import build_request, read_file, take_images
from ..responses import BatchAnswer, list_refused, locate
from ..results import RefusedJob, SubmittedJob, Upload
from .results import Job, OnUpdate, attach

if TYPE_CHECKING:
    from ..catalogue import Request
    from .transport import Transport
    from .waiting import Watch


class Submitting:
    """Submits jobs and uploads images."""

    _transport: Transport
    _watch: Watch

    def _run(
        self,
        provider: str,
        prompt: str,
        params: Mapping[str, Any] | None,
        options: Mapping[str, Any],
        timeout_s: float | None,
        on_update: OnUpdate | None,
    ) -> Job:
        job = self._submit(provider, prompt, params, options)
        if on_update:
            on_update(job)
        if not job.is_finished:
            watch = self._watch.as_completed([job.id], timeout_s, on_update, are_new=True)
            with closing(watch) as completed:
                job = next(completed)
        if job.state != "succeeded":
            raise JobFailedError(job)
        return job

    def _submit(
        self,
        provider: str,
        prompt: str,
        params: Mapping[str, Any] | None,
        options: Mapping[str, Any],
    ) -> Job:
        fields = build_request(provider, prompt, params, options)
        key = fields.pop("idempotency_key", None) or calls.make_key()
        call = calls.submit(self._upload_images(fields), key)
        job = self._transport.fetch(call, Job)
        return attach(job, self._transport)

    def submit_many(
        self,
        requests: Iterable[Request],
        *,
        on_refused: Callable[[RefusedJob], object] | None = None,
        chunk_size: int = calls.MAX_CHUNK,
        idempotency_key: str | None = None,
        timeout_s: float | None = None,
    ) -> Generator[SubmittedJob]:
        """Queue thousands of jobs, a batch for each `chunk_size`, and yield each once accepted.

        `requests` is read as it goes. Without `on_refused`, an invalid request raises
        InvalidRequestError, and none of its batch is queued; those before it are. `timeout_s` is
        for each batch, by default that of the client. Repeating the call with its `idempotency_key`
        returns the same jobs.
        """
        start, own_key = 0, calls.make_key()
        for chunk in calls.split(requests, chunk_size):
            lines = [calls.dump(self._upload_images(dict(each))) for each in chunk]
            key = f"{idempotency_key or own_key}/{start}"
            call = calls.submit_chunk(lines, "skip" if on_refused else "refuse", key)
            accepted: Iterable[SubmittedJob] = ()
            try:
                answer = self._transport.fetch(call, BatchAnswer, timeout_s)
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

    def upload(self, source: str | os.PathLike[str] | bytes) -> Upload:
        """Store an image of up to 30 MB, from a path or bytes; give its id as an `image`.

        Raises InvalidRequestError unless it is a PNG, JPEG, WebP or GIF.
        """
        return self._transport.fetch(calls.upload(read_file(source)), Upload)

    def _upload_images(self, fields: dict[str, Any]) -> dict[str, Any]:
        if images := take_images(fields):
            fields["image_urls"] = [
                each if isinstance(each, str) else (self.upload(each)).id for each in images
            ]
        return fields
