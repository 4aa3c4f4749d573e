"""Wait for the jobs of a request, and answer with their images."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from ...config.settings import Settings
from ...jobs.job import Job
from ...storage import Storage
from ..api.access import Caller
from ..api.listeners import Listeners
from ..api.watch import Watch, wait_for_disconnect
from .acceptance import Acceptance, Accepted
from .answers import ResponseFormat, Source, build_answer
from .documents import PendingImages
from .errors import RETRY_AFTER_S, still_running
from .prefer import Preferences

HUNG_UP = 499


class Waiting:
    """Requests that wait for their images; each holds a connection, and no thread."""

    def __init__(
        self,
        settings: Settings,
        acceptance: Acceptance,
        watch: Watch,
        listeners: Listeners,
        storage: Storage,
    ) -> None:
        self._secrets = settings.signing_secrets
        self._acceptance = acceptance
        self._watch = watch
        self._listeners = listeners
        self._storage = storage

    def hold(self, caller: Caller, preferences: Preferences) -> AbstractContextManager[None]:
        """Count a request that is going to wait; raises LimitError, or HTTPException 503.

        It is to be counted before its jobs are accepted: one that is refused pays nothing.
        """
        return self._listeners.hold(caller) if preferences.wait_s else nullcontext()

    async def answer(
        self,
        request: Request,
        caller: Caller,
        accepted: Accepted,
        preferences: Preferences,
        response_format: ResponseFormat,
    ) -> Response:
        """Return the images once they are made, or 202; raises OpenAIError."""
        until = asyncio.get_running_loop().time() + preferences.wait_s
        hung_up = asyncio.create_task(wait_for_disconnect(request))
        try:
            while True:
                jobs = await self._wait(accepted, caller, until, hung_up)
                if hung_up.done():  # a repetition of the request gets these images
                    return Response(status_code=HUNG_UP)
                is_finished = all(job.is_finished for job in jobs)
                if not is_finished and not preferences.is_async:
                    raise still_running(accepted.id)
                answered = await run_in_threadpool(self._acceptance.answer, accepted)
                if answered is accepted:
                    break
                accepted = answered
        finally:
            hung_up.cancel()
        if not is_finished:
            return build_pending(accepted.id, jobs, response_format)
        now = self._acceptance.now()
        source = Source(self._storage, self._secrets, str(request.base_url), now)
        return await run_in_threadpool(build_answer, accepted.id, jobs, response_format, source)

    async def _wait(
        self,
        accepted: Accepted,
        caller: Caller,
        until: float,
        hung_up: asyncio.Task[None],
    ) -> Sequence[Job]:
        """Return the jobs once all are finished, or as they are when the time is up."""
        ids = await run_in_threadpool(self._acceptance.list_jobs, accepted.id, caller)
        jobs = []
        for job_id in ids:
            left_s = max(0.0, until - asyncio.get_running_loop().time())
            if left_s:
                waiting = self._watch.wait_until_finished(job_id, left_s, caller.sees, hung_up)
                jobs.append(await waiting)
            else:
                jobs.append(await self._watch.get(job_id, caller.sees))
        return jobs


def build_pending(answer_id: str, jobs: Sequence[Job], response_format: ResponseFormat) -> Response:
    """Return 202 with the place where the images will be."""
    unfinished = next(job for job in jobs if not job.is_finished)
    document = PendingImages(
        id=answer_id,
        job=answer_id,
        status=unfinished.state,
        created=int(jobs[0].created_at.timestamp()),
    )
    query = f"?response_format={response_format}" if response_format else ""
    headers = {
        "Location": f"/v1/images/{answer_id}{query}",
        "Preference-Applied": "respond-async",
        "Retry-After": str(RETRY_AFTER_S),
    }
    return JSONResponse(document.model_dump(), 202, headers)
