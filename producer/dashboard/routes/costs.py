"""The page of costs: what was spent today, this month, and by day, provider and caller."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ...api.access import Access, Caller
from ...client import LocalClient
from ..page_route import PageRoute, describe_caller, require_login
from ..rendering import render

TABLES = ("day", "provider", "caller")


def cost_router(client: LocalClient, access: Access) -> APIRouter:
    """Return the route of the page; a key sees the costs of its own jobs, an admin key all."""
    router = APIRouter(route_class=PageRoute)
    login = require_login(access)

    @router.get("/costs")
    def show(request: Request, caller: Caller = login) -> Response:
        tables = {
            by: [row.to_fields() for row in client.report_costs(by, submitted_by=caller.sees)]
            for by in TABLES
        }
        tables["day"].reverse()
        return render(
            "costs.html",
            spent=client.sum_spent_usd(caller.sees),
            tables=tables,
            caller=caller,
            **describe_caller(request, caller),
        )

    return router
