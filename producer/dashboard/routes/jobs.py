"""The routes of a job's page and its buttons, which work without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from ....errors import InvalidTransitionError
from ....jobs.job import Job, State
from ...api.access import Access, Caller
from ...api.retry import retry as retry_job
from ...client import LocalClient
from ..filters import Filters, parse_filters
from ..inputs import list_inputs
from ..page_route import Form, PageRoute, describe_caller, read_form, require_login
from ..rendering import allow_images, render

SEE_OTHER = 303
CONFLICT = 409
# Chosen by name: text from a URL is never shown.
DONE = {
    "submitted": "The job was queued.",
    "cancelled": "The job was cancelled.",
    "retried": "The job was started again.",
    "acknowledged": "The job was acknowledged.",
}

NO_FILTERS = Filters()

ActiveFilters = Annotated[Filters, Depends(parse_filters)]
Fields = Annotated[Form, Depends(read_form)]


def job_router(client: LocalClient, access: Access) -> APIRouter:
    """Return the routes of a job's page, cancel, retry and acknowledge."""
    router = APIRouter(route_class=PageRoute)
    login = require_login(access)

    def render_job(
        request: Request,
        job: Job,
        caller: Caller,
        status: int = 200,
        filters: Filters = NO_FILTERS,
        shows_inputs: bool = False,
        **messages: str,
    ) -> Response:
        chosen, inputs = filters.to_conditions(), list_inputs(job)
        older = client.list(chosen=chosen, limit=1, cursor=job.id, submitted_by=caller.sees).jobs
        page = render(
            "job/page.html",
            status,
            job=job,
            inputs=inputs,
            shows_inputs=shows_inputs,
            filters=filters,
            newer=client.find_newer(job.id, chosen, caller.sees),
            older=older[0] if older else None,
            positions=client.measure_positions([job], redacted=not caller.is_admin),
            deliveries=client.list_deliveries(job),
            has_worker=client.has_worker(),
            **describe_caller(request, caller),
            **{"done": "", "refused": "", **messages},
        )
        if shows_inputs:
            allow_images(page, {each.origin for each in inputs if each.origin})
        return page

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
    def show(
        request: Request,
        job_id: str,
        filters: ActiveFilters,
        done: str = "",
        inputs: str = "",
        caller: Caller = login,
    ) -> Response:
        """Show the job; its input images on other sites only with `inputs=shown`."""
        job = client.get(job_id, submitted_by=caller.sees)
        shows_inputs = inputs == "shown"
        return render_job(request, job, caller, 200, filters, shows_inputs, done=DONE.get(done, ""))

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
