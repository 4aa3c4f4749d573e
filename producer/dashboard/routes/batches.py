"""The pages of batches: their progress and cost, and what can be done with what is left."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ...api.access import Access, Caller
from ...client import LocalClient
from ...commands import count_actions
from ..page_route import PageRoute, describe_caller, require_login
from ..rendering import render

SHOWN = 25


def batch_router(client: LocalClient, access: Access) -> APIRouter:
    """Return the routes that list batches and show one."""
    router = APIRouter(route_class=PageRoute)
    login = require_login(access)

    @router.get("/batches")
    def index(request: Request, cursor: str | None = None, caller: Caller = login) -> Response:
        found = client.list_batches(limit=SHOWN, cursor=cursor, submitted_by=caller.sees)
        return render("batches/list.html", found=found, **describe_caller(request, caller))

    @router.get("/batches/{batch_id}")
    def show(request: Request, batch_id: str, caller: Caller = login) -> Response:
        found = client.summarize_batch(batch_id, caller.sees)
        context: dict[str, Any] = describe_caller(request, caller)
        actions = count_actions(found.batch.progress)
        return render("batches/page.html", found=found, actions=actions, **context)

    return router
