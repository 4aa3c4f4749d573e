"""The routes of the dashboard: the list of jobs, and what the browser loads with it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from ...storage import Storage
from ..api.access import Access, Caller
from ..client import LocalClient
from ..metrics.routes import StoreCollector
from ..pauses import PauseControl
from . import assets
from .filters import Filters, parse_filters
from .matching import count_matching
from .page_route import PageRoute, describe_caller, require_login
from .rendering import render
from .routes.batches import batch_router
from .routes.bulk import bulk_router
from .routes.costs import cost_router
from .routes.images import image_router
from .routes.jobs import job_router
from .routes.login import login_router
from .routes.new import new_router
from .routes.operations import operations_router
from .routes.pauses import pause_router
from .routes.sessions import session_router
from .search import MAX_READ, SHOWN, find_jobs

NO_CONTENT = 204

ActiveFilters = Annotated[Filters, Depends(parse_filters)]


def dashboard_router(
    client: LocalClient,
    access: Access,
    pauses: PauseControl,
    collector: StoreCollector,
    storage: Storage,
) -> APIRouter:
    """Return the routes of every page; they are not part of the OpenAPI document."""
    router = APIRouter(include_in_schema=False)
    router.include_router(login_router(access))
    router.include_router(session_router(access))
    router.include_router(_list_router(client, access, pauses))
    router.include_router(new_router(client, access))
    router.include_router(job_router(client, access))
    router.include_router(image_router(client, access, storage))
    router.include_router(batch_router(client, access))
    router.include_router(bulk_router(client, access))
    router.include_router(cost_router(client, access))
    router.include_router(pause_router(pauses, access))
    router.include_router(operations_router(client, access, pauses, collector))

    @router.get("/static/{digest}/{name}")
    def static(digest: str, name: str) -> Response:
        return assets.serve_asset(digest, name)

    @router.get("/favicon.ico")
    def icon() -> Response:
        """Redirect browsers that show an image alone, without a page that names the icon."""
        return RedirectResponse(assets.asset_url("icon.svg"))

    return router


def _list_router(client: LocalClient, access: Access, pauses: PauseControl) -> APIRouter:
    router = APIRouter(route_class=PageRoute)
    login = require_login(access)

    @router.get("/")
    def index(
        request: Request,
        filters: ActiveFilters,
        cursor: str | None = None,
        caller: Caller = login,
    ) -> Response:
        found = find_jobs(client, filters, cursor, caller.sees)
        counts = client.counts(submitted_by=caller.sees)
        return render(
            "index.html",
            found=found,
            positions=client.measure_positions(found.jobs, redacted=not caller.is_admin),
            filters=filters,
            cursor=cursor,
            counts=counts,
            matching=count_matching(filters, counts, None if cursor else found),
            max_read=MAX_READ,
            shown=SHOWN,
            **describe_caller(request, caller),
            pauses=pauses.list_all(),
            has_worker=client.has_worker(),
        )

    @router.get("/chips")
    def chips(filters: ActiveFilters, caller: Caller = login) -> Response:
        """Render the filters with their counts, for live.js."""
        counts = client.counts(submitted_by=caller.sees)
        return render(
            "counts.html",
            filters=filters,
            counts=counts,
            matching=count_matching(filters, counts),
            read_only=caller.is_read_only,
        )

    @router.get("/jobs/{job_id}/card")
    def card(job_id: str, filters: ActiveFilters, caller: Caller = login) -> Response:
        """Render a job's card, for live.js; 204 if the filters exclude it."""
        job = client.get(job_id, submitted_by=caller.sees)
        if not filters.matches(job):
            return Response(status_code=NO_CONTENT)
        positions = client.measure_positions([job], redacted=not caller.is_admin)
        return render("card.html", job=job, filters=filters, positions=positions)

    return router
