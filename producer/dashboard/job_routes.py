"""The routes of a job's page and its buttons, which work without JavaScript."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from ...errors import InvalidTransitionError
from ...jobs.job import Job, State
from ..api.access import Access, Caller
from ..api.retry import retry as retry_job
from ..client import Client
from .page_route import Form, PageRoute, has_key, read_form, require_login
from .rendering import render

SEE_OTHER = 303
CONFLICT = 409
# Chosen by name: text from a URL is never shown.
DONE = {
    "cancelled": "The job was cancelled.",
    "retried": "The job was started again.",
    "acknowledged": "The job was acknowledged.",
}

Fields = Annotated[Form, Depends(read_form)]


def job_router(client: Client, access: Access) -> APIRouter:
    """Return the routes of a job's page, cancel, retry and acknowledge."""
    router = APIRouter(route_class=PageRoute)
    login = require_login(access)

    @router.get("/jobs/{job_id}")
    def show(request: Request, job_id: str, done: str = "", caller: Caller = login) -> Response:
        job = client.get(job_id, submitted_by=caller.sees)
        return _render_job(
            client, request, job, done=DONE.get(done, ""), read_only=caller.is_read_only
        )

    @router.post("/jobs/{job_id}/cancel")
    def cancel(request: Request, job_id: str, fields: Fields, caller: Caller = login) -> Response:
        try:
            _require_unsent(client.get(job_id, submitted_by=caller.sees), fields)
            client.cancel(job_id, submitted_by=caller.sees)
        except InvalidTransitionError as refused:
            return _render_job(client, request, client.get(job_id), CONFLICT, refused=str(refused))
        return RedirectResponse(f"/jobs/{job_id}?done=cancelled", SEE_OTHER)

    @router.post("/jobs/{job_id}/retry")
    def retry(request: Request, job_id: str, fields: Fields, caller: Caller = login) -> Response:
        try:
            retry_job(client, access, caller, job_id, fields.get("pay_again") == "yes")
        except InvalidTransitionError as refused:
            return _render_job(client, request, client.get(job_id), CONFLICT, refused=str(refused))
        return RedirectResponse(f"/jobs/{job_id}?done=retried", SEE_OTHER)

    @router.post("/jobs/{job_id}/acknowledge")
    def acknowledge(request: Request, job_id: str, caller: Caller = login) -> Response:
        try:
            client.acknowledge(job_id, submitted_by=caller.sees)
        except InvalidTransitionError as refused:
            return _render_job(client, request, client.get(job_id), CONFLICT, refused=str(refused))
        return RedirectResponse(f"/jobs/{job_id}?done=acknowledged", SEE_OTHER)

    return router


def _require_unsent(job: Job, fields: Form) -> None:
    """Refuse a cancel if the job was sent after its page said that nothing was."""
    if fields.get("seen") == State.QUEUED and job.state is not State.QUEUED:
        raise InvalidTransitionError(
            f"it has become {job.state} since: see its current state below"
        )


def _render_job(
    client: Client,
    request: Request,
    job: Job,
    status: int = 200,
    done: str = "",
    refused: str = "",
    read_only: bool = False,
) -> Response:
    shown = {"done": done, "refused": refused, "read_only": read_only}
    positions = client.measure_positions([job])
    return render(
        "job.html", status, job=job, positions=positions, has_key=has_key(request), **shown
    )
