"""The page of a bulk action on many jobs: a dry run, a form to confirm it, the result."""

from __future__ import annotations

import re
import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from ...api.access import Access, Caller
from ...bulk import BulkOptions
from ...bulk_report import BulkReport
from ...client import LocalClient
from ...commands import Action
from ..page_route import Form, PageRoute, describe_caller, read_form, require_login
from ..rendering import render
from ..selection import Selection, parse_selection

CONFLICT = 409
# A browser and its proxies wait while so many are read; the page offers to go on with the others.
MAX_AT_ONCE = 10_000

Selected = Annotated[Selection, Depends(parse_selection)]
Fields = Annotated[Form, Depends(read_form)]


def bulk_router(client: LocalClient, access: Access) -> APIRouter:
    """Return the routes that show, and do, what an action means for the selected jobs."""
    router = APIRouter(route_class=PageRoute)
    login = require_login(access)

    def run(action: Action, selected: Selection, caller: Caller, **options: Any) -> BulkReport:
        how = BulkOptions(
            submitted_by=caller.sees,
            key_owner=caller.name,
            acquire=lambda jobs: access.acquire(caller, jobs),
            **options,
        )
        read = 0
        for step in client.iter_bulk(action, selected.to_jobs(), how):
            read += len(step.changed) + len(step.report.problems)
            if read >= MAX_AT_ONCE:
                break
        return step.report

    def show(
        request: Request,
        caller: Caller,
        status: int,
        action: Action,
        selected: Selection,
        **context: Any,
    ) -> Response:
        context |= {**describe_caller(request, caller), "max_at_once": MAX_AT_ONCE}
        return render("bulk.html", status, action=action, selected=selected, **context)

    @router.get("/bulk/{action}")
    def plan(
        request: Request, action: Action, selected: Selected, caller: Caller = login
    ) -> Response:
        planned = run(action, selected, caller, dry_run=True, pay_again=True)
        context = {"key": secrets.token_urlsafe(16)}
        return show(request, caller, 200, action, selected, report=planned, **context)

    @router.post("/bulk/{action}")
    def act(
        request: Request,
        action: Action,
        selected: Selected,
        fields: Fields,
        caller: Caller = login,
    ) -> Response:
        context: dict[str, Any] = {"key": fields.get("key") or secrets.token_urlsafe(16)}
        planned = run(action, selected, caller, dry_run=True, pay_again=True)
        # Jobs may have failed, or may have been sent, since the form showed its numbers.
        if planned.charged > _to_number(fields.get("charged", "")):
            context["refused"] = True
            return show(request, caller, CONFLICT, action, selected, report=planned, **context)
        pay_again = fields.get("pay_again") == "yes"
        # A page that is loaded again sends its form again.
        once = f"{context['key']}:{pay_again}"
        done = run(action, selected, caller, pay_again=pay_again, idempotency_key=once)
        return show(request, caller, 200, action, selected, report=done, **context)

    return router


def _to_number(text: str) -> int:
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else 0
