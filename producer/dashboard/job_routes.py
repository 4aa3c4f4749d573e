"""The routes of a job's page and its buttons, which work without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from ...errors import InvalidTransitionError
from ...jobs.job import Job, State
from ..api.access import Access, Caller
from ..api.retry import retry as retry_job
from ..client import LocalClient
from .page_route import Form, PageRoute, describe_caller, read_form, require_login
from .rendering import render

SEE_OTHER = 303
CONFLICT = 409
# Chosen by name: text from a URL is never shown.
DONE = {
    "submitted": "The job was queued.",
    "cancelled": "The job was cancelled.",
    "retried": "The job was started again.",
    "acknowledged": "The job was acknowledged.",
}

Fields = Annotated[Form, Depends(read_form)]


def job_router(client: LocalClient, access: Access) -> APIRouter:
    """Return the routes of a job's page, cancel, retry and acknowledge."""
    router = APIRouter(route_class=PageRoute)
    login = require_login(access)

    def render_job(
        request: Request, job: Job, caller: Caller, status: int = 200, **messages: str
    ) -> Response:
        return render(
            "job/page.html",
            status,
            job=job,
            positions=client.measure_positions([job], redacted=not caller.is_admin),
            deliveries=client.list_deliveries(job),
            has_worker=client.has_worker(),
            **describe_caller(request, caller),
            **{"done": "", "refused": "", **messages},
        )

    def change(
        request: Request, job_id: str, caller: Caller, done: str, act: Callable[[], object]
    ) -> Response:
        """Change a job and show its page; the page says if the change is refused."""
        try:
            act()
        except InvalidTransitionError as refused:
            job = client.get(job_id, submitted_by=caller.sees)
            return render_job(request, job, caller, CONFLICT, refused=str(refused))
        return RedirectResponse(f"/jobs/{job_id}?done={done}", SEE_OTHER)

    @router.get("/jobs/{job_id}")
    def show(request: Request, job_id: str, done: str = "", caller: Caller = login) -> Response:
        job = client.get(job_id, submitted_by=caller.sees)
        return render_job(request, job, caller, done=DONE.get(done, ""))

    @router.post("/jobs/{job_id}/cancel")
    def cancel(request: Request, job_id: str, fields: Fields, caller: Caller = login) -> Response:
        def act() -> None:
            _require_unsent(client.get(job_id, submitted_by=caller.sees), fields)
            client.cancel(job_id, submitted_by=caller.sees)

        return change(request, job_id, caller, "cancelled", act)

    @router.post("/jobs/{job_id}/retry")
    def retry(request: Request, job_id: str, fields: Fields, caller: Caller = login) -> Response:
        pay_again = fields.get("pay_again") == "yes"
        act = partial(retry_job, client, access, caller, job_id, pay_again)
        return change(request, job_id, caller, "retried", act)

    @router.post("/jobs/{job_id}/acknowledge")
    def acknowledge(request: Request, job_id: str, caller: Caller = login) -> Response:
        act = partial(client.acknowledge, job_id, submitted_by=caller.sees)
        return change(request, job_id, caller, "acknowledged", act)

    return router


def _require_unsent(job: Job, fields: Form) -> None:
    """Refuse a cancel if the job was sent after its page said that nothing was."""
    if fields.get("seen") == State.QUEUED and job.state is not State.QUEUED:
        raise InvalidTransitionError(
            f"it has become {job.state} since: see its current state below"
        )
