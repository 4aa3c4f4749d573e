"""The endpoints of jobs."""

import asyncio
import functools
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from ....field_types import Name
from ....jobs.filter import JobConditions
from ....jobs.idempotency import MAX_KEY_LENGTH
from ....jobs.job import Job
from ....providers.request import JobRequest
from ...client import LocalClient, Submitted
from ...reports import JobDetails, describe, has_details
from .. import examples
from ..access import Access, Caller
from ..job_query import read_conditions
from ..listeners import Listeners
from ..problems import error_responses
from ..retry import retry
from ..watch import Watch, wait_for_disconnect

MAX_LISTED = 500
MAX_IDS = 200
MAX_WAIT_S = 60.0

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=MAX_KEY_LENGTH,
        description="Repeating a request with its key within 24 h returns the original job.",
    ),
]
REPLAYED = "Idempotent-Replayed"


def describe_accepted(example: object, replayed: str) -> dict[int | str, dict[str, Any]]:
    """Return the description of a 202, whose header says `true` if it is replayed."""
    schema = {"type": "string", "const": "true"}
    headers = {REPLAYED: {"description": f"`true` if {replayed}; else omitted.", "schema": schema}}
    return {202: examples.describe_response(example, description="Queued.", headers=headers)}


QUEUED = describe_accepted(examples.QUEUED, "the key, or `reuse`, returned an earlier job")


class JobList(BaseModel):
    """A page of jobs."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    jobs: list[Job]
    cursor: str | None = Field(None, description="Pass it to get the next page.")


class Retry(BaseModel):
    """Options of a retry."""

    model_config = ConfigDict(extra="forbid")

    pay_again: bool = Field(
        False, description="Allow a second charge; needed unless `charged` is `no`."
    )


def routes(client: LocalClient, access: Access, watch: Watch, listeners: Listeners) -> APIRouter:
    """Return the routes that submit, list, get, cancel, retry and acknowledge jobs."""
    router = APIRouter(prefix="/v1/jobs", tags=["jobs"], dependencies=[Depends(access)])

    @router.post(
        "",
        summary="Queue a job",
        status_code=202,
        responses={**QUEUED, **error_responses(400, 402, 404, 409, 413, 422, 429)},
    )
    async def submit_job(
        request: Annotated[JobRequest, Body(openapi_examples=examples.REQUESTS)],
        caller: Annotated[Caller, Depends(access)],
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> Job:
        """Accept a valid request; the job is stored before the response is sent.

        As a form, the images that it starts from come with it.
        """
        # For a function that blocks, FastAPI would use a thread again to check the response.
        submit = functools.partial(_submit, client, access)
        job, replayed = await run_in_threadpool(submit, request, caller, idempotency_key)
        if replayed:
            response.headers[REPLAYED] = "true"
        return job

    @router.get("", summary="List jobs", responses=error_responses(422))
    def list_jobs(
        caller: Annotated[Caller, Depends(access)],
        chosen: Annotated[JobConditions, Depends(read_conditions)],
        limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = 50,
        cursor: Annotated[
            str | None, Query(description="The `cursor` of the previous page.")
        ] = None,
        ids: Annotated[
            list[Name] | None,
            Query(alias="id", max_length=MAX_IDS, description="Only these jobs, in this order."),
        ] = None,
    ) -> JobList:
        """List the caller's jobs, newest first, archived ones too; an admin key lists all.

        A page may have fewer jobs than `limit`: the last one has no cursor. With `id`, which may
        be repeated, nothing else is looked at; unknown jobs are left out.
        """
        query = {"chosen": chosen, "limit": limit, "cursor": cursor}
        return _read_page(client, ids, submitted_by=caller.sees, **query)

    @router.get("/{job_id}", summary="Get a job", responses=error_responses(404, 422, 429))
    async def get_job(
        job_id: str,
        request: Request,
        caller: Annotated[Caller, Depends(access)],
        wait: Annotated[
            float,
            Query(ge=0, le=MAX_WAIT_S, description="Seconds to wait for the job to finish."),
        ] = 0,
    ) -> JobDetails:
        """Return the job and its history, once it is finished or after `wait` seconds."""
        job = await read_job(job_id, request, caller, wait)
        return await _add_details(client, job, caller)

    async def read_job(job_id: str, request: Request, caller: Caller, wait: float) -> Job:
        if not wait:
            return await watch.get(job_id, caller.sees)
        with listeners.hold(caller):
            hung_up = asyncio.create_task(wait_for_disconnect(request))
            try:
                return await watch.wait_until_finished(job_id, wait, caller.sees, hung_up)
            finally:
                hung_up.cancel()

    @router.post(
        "/{job_id}/cancel", summary="Cancel a job", responses=error_responses(404, 409, 422)
    )
    def cancel_job(job_id: str, caller: Annotated[Caller, Depends(access)]) -> Job:
        """Cancel a job: free while it is queued; later `error.message` says what the charge is."""
        return client.cancel(job_id, submitted_by=caller.sees)

    @router.post(
        "/{job_id}/retry",
        summary="Retry a job",
        responses=error_responses(400, 404, 409, 413, 422, 429),
    )
    def retry_job(
        job_id: str, caller: Annotated[Caller, Depends(access)], options: Retry | None = None
    ) -> Job:
        """Download an unsaved job's images again for free, or pay for a failed job again.

        A paid retry counts as one job of the caller.
        """
        return retry(client, access, caller, job_id, bool(options and options.pay_again))

    @router.post(
        "/{job_id}/acknowledge",
        summary="Acknowledge an unsaved job",
        responses=error_responses(404, 409, 422),
    )
    def acknowledge_job(job_id: str, caller: Annotated[Caller, Depends(access)]) -> Job:
        """End an unsaved job that nobody will save; a retry still downloads its images for free."""
        return client.acknowledge(job_id, submitted_by=caller.sees)

    return router


def _submit(
    client: LocalClient,
    access: Access,
    request: JobRequest,
    caller: Caller,
    idempotency_key: str | None,
) -> Submitted:
    access.acquire(caller, 1)
    return client.submit_request(
        request,
        idempotency_key=idempotency_key,
        submitted_by=caller.name,
        sees=caller.sees,
        max_priority=caller.max_priority,
    )


async def _add_details(client: LocalClient, job: Job, caller: Caller) -> JobDetails:
    if not has_details(job):
        return describe(job)
    return await run_in_threadpool(client.add_details, job, redacted=not caller.is_admin)


def _read_page(
    client: LocalClient, ids: list[str] | None, submitted_by: str | None, **query: Any
) -> JobList:
    if ids is not None:
        return JobList(jobs=client.get_many(ids, submitted_by=submitted_by), cursor=None)
    page = client.list(submitted_by=submitted_by, **query)
    return JobList(jobs=page.jobs, cursor=page.cursor)
