"""The API's endpoints on jobs."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ...jobs.idempotency import MAX_KEY_LENGTH
from ...jobs.job import Job, State
from ...providers.request import JobRequest
from ..client import Client
from . import examples
from .access import Access, Caller
from .problems import error_responses
from .watch import Watch

MAX_LISTED = 500
MAX_WAIT_S = 60.0

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=MAX_KEY_LENGTH,
        description="The same request under the same key is accepted once; known for a day.",
    ),
]
REPLAYED = "Idempotent-Replayed"
REPLAYED_HEADER: dict[str, Any] = {
    REPLAYED: {
        "description": "`true` if the key had made it before; left out otherwise.",
        "schema": {"type": "string", "const": "true"},
    }
}
QUEUED: dict[int | str, dict[str, Any]] = {
    202: examples.answer(examples.QUEUED, description="Queued.", headers=REPLAYED_HEADER)
}


class JobList(BaseModel):
    """Some jobs in order."""

    jobs: list[Job]
    cursor: str | None = Field(None, description="Give it back to get the next page.")


class Retry(BaseModel):
    """How far a retry may go."""

    pay_again: bool = Field(False, description="Send, and pay for, a failed job once more.")


def routes(client: Client, access: Access, watch: Watch) -> APIRouter:
    """Submit, look, list, cancel and retry."""
    router = APIRouter(prefix="/v1/jobs", tags=["jobs"], dependencies=[Depends(access)])

    @router.post(
        "",
        summary="Queue a job",
        status_code=202,
        responses={**QUEUED, **error_responses(400, 404, 409, 413, 422, 429)},
    )
    def submit_job(
        request: Annotated[JobRequest, Body(openapi_examples=examples.REQUESTS)],
        caller: Annotated[Caller, Depends(access)],
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> Job:
        """Accept a request for pictures, checked whole; it is on record when this answers."""
        access.admit(caller, 1)
        job, replayed = client.submit_once(request, idempotency_key, caller.name)
        if replayed:
            response.headers[REPLAYED] = "true"
        return job

    @router.get("", summary="List jobs", responses=error_responses(422))
    def list_jobs(
        state: State | None = None,
        provider: str | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = 50,
        cursor: Annotated[str | None, Query(description="That of the page before.")] = None,
    ) -> JobList:
        """Jobs, newest first."""
        page = client.list(state=state, provider=provider, limit=limit, cursor=cursor)
        return JobList(jobs=page.jobs, cursor=page.cursor)

    @router.get("/{job_id}", summary="Look at a job", responses=error_responses(404, 422))
    async def get_job(
        job_id: str,
        wait: Annotated[
            float,
            Query(ge=0, le=MAX_WAIT_S, description="Seconds to wait for the job to end."),
        ] = 0,
    ) -> Job:
        """The job and its history: at once, when it has ended, or as it is after `wait` seconds."""
        return await watch.rested(job_id, wait)

    @router.post(
        "/{job_id}/cancel", summary="Cancel a job", responses=error_responses(404, 409, 422)
    )
    def cancel_job(job_id: str) -> Job:
        """End a job: free of charge while it is queued; later `error.message` says what stands."""
        return client.cancel(job_id)

    @router.post(
        "/{job_id}/retry", summary="Retry a job", responses=error_responses(400, 404, 409, 413, 422)
    )
    def retry_job(job_id: str, how: Retry | None = None) -> Job:
        """Save an unsaved job's pictures again, free of charge, or pay for a failed job again."""
        return client.retry(job_id, pay_again=bool(how and how.pay_again))

    return router
