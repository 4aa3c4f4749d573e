"""The routes of one job's page, and of its two buttons: plain forms that need no script."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from ...errors import InvalidTransitionError
from ...jobs.job import Job, State
from ..api.access import Access
from ..client import Client
from .rendering import page
from .routing import Form, PageRoute, form, has_key, require_login

SEE_OTHER = 303
CONFLICT = 409
# By name: words that stand in a URL are anybody's, and never shown.
DONE = {"cancelled": "The job was cancelled.", "retried": "The job is under way again."}

Fields = Annotated[Form, Depends(form)]


def job_router(client: Client, access: Access) -> APIRouter:
    """A job's page, cancel and retry."""
    router = APIRouter(route_class=PageRoute, dependencies=[require_login(access)])

    @router.get("/jobs/{job_id}")
    def show(request: Request, job_id: str, done: str = "") -> Response:
        return _job_page(request, client.get(job_id), done=DONE.get(done, ""))

    @router.post("/jobs/{job_id}/cancel")
    def cancel(request: Request, job_id: str, given: Fields) -> Response:
        try:
            _require_seen(client.get(job_id), given)
            client.cancel(job_id)
        except InvalidTransitionError as refused:
            return _job_page(request, client.get(job_id), CONFLICT, refused=str(refused))
        return RedirectResponse(f"/jobs/{job_id}?done=cancelled", SEE_OTHER)

    @router.post("/jobs/{job_id}/retry")
    def retry(request: Request, job_id: str, given: Fields) -> Response:
        try:
            client.retry(job_id, pay_again=given.get("pay_again") == "yes")
        except InvalidTransitionError as refused:
            return _job_page(request, client.get(job_id), CONFLICT, refused=str(refused))
        return RedirectResponse(f"/jobs/{job_id}?done=retried", SEE_OTHER)

    return router


def _require_seen(job: Job, given: Form) -> None:
    """Refuse to cancel a job that has been sent since its page said that nothing was."""
    if given.get("seen") == State.QUEUED and job.state is not State.QUEUED:
        raise InvalidTransitionError(f"it has become {job.state} since: see below what is true now")


def _job_page(
    request: Request, job: Job, status: int = 200, done: str = "", refused: str = ""
) -> Response:
    words = {"done": done, "refused": refused}
    return page("job.html", status, job=job, has_key=has_key(request), **words)
