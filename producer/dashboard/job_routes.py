"""The routes of a job's page and its two buttons, which work without JavaScript."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from ...errors import InvalidTransitionError
from ...jobs.job import Job, State
from ..api.access import Access
from ..client import Client
from .page_route import Form, PageRoute, has_key, read_form, require_login
from .rendering import render

SEE_OTHER = 303
CONFLICT = 409
# Chosen by name: text from a URL is never shown.
DONE = {"cancelled": "The job was cancelled.", "retried": "The job was started again."}

Fields = Annotated[Form, Depends(read_form)]


def job_router(client: Client, access: Access) -> APIRouter:
    """Return the routes of a job's page, cancel and retry."""
    router = APIRouter(route_class=PageRoute, dependencies=[require_login(access)])

    @router.get("/jobs/{job_id}")
    def show(request: Request, job_id: str, done: str = "") -> Response:
        return _render_job(request, client.get(job_id), done=DONE.get(done, ""))

    @router.post("/jobs/{job_id}/cancel")
    def cancel(request: Request, job_id: str, fields: Fields) -> Response:
        try:
            _require_unsent(client.get(job_id), fields)
            client.cancel(job_id)
        except InvalidTransitionError as refused:
            return _render_job(request, client.get(job_id), CONFLICT, refused=str(refused))
        return RedirectResponse(f"/jobs/{job_id}?done=cancelled", SEE_OTHER)

    @router.post("/jobs/{job_id}/retry")
    def retry(request: Request, job_id: str, fields: Fields) -> Response:
        try:
            client.retry(job_id, pay_again=fields.get("pay_again") == "yes")
        except InvalidTransitionError as refused:
            return _render_job(request, client.get(job_id), CONFLICT, refused=str(refused))
        return RedirectResponse(f"/jobs/{job_id}?done=retried", SEE_OTHER)

    return router


def _require_unsent(job: Job, fields: Form) -> None:
    """Refuse a cancel if the job was sent after its page said that nothing was."""
    if fields.get("seen") == State.QUEUED and job.state is not State.QUEUED:
        raise InvalidTransitionError(
            f"it has become {job.state} since: see its current state below"
        )


def _render_job(
    request: Request, job: Job, status: int = 200, done: str = "", refused: str = ""
) -> Response:
    messages = {"done": done, "refused": refused}
    return render("job.html", status, job=job, has_key=has_key(request), **messages)
