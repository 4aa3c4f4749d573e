"""The routes of the page of pictures: the list, and what the browser loads with it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from ..api.access import Access
from ..client import Client
from . import assets
from .filters import Filters, filters
from .job_routes import job_router
from .login import login_router
from .rendering import page
from .routing import PageRoute, has_key, require_login
from .search import MAX_READ, SHOWN, find

NO_CONTENT = 204

ValidRequest = Annotated[Filters, Depends(filters)]


def dashboard_router(client: Client, access: Access) -> APIRouter:
    """Every page, with what it loads; none of them is part of the API's document."""
    router = APIRouter(include_in_schema=False)
    router.include_router(login_router(access))
    router.include_router(_list_router(client, access))
    router.include_router(job_router(client, access))

    @router.get("/static/{digest}/{name}")
    def static(digest: str, name: str) -> Response:
        return assets.answer(digest, name)

    @router.get("/favicon.ico")
    def icon() -> Response:
        """Browsers look here while they show a picture alone, which has no page to name one."""
        return RedirectResponse(assets.asset_url("icon.svg"))

    return router


def _list_router(client: Client, access: Access) -> APIRouter:
    router = APIRouter(route_class=PageRoute, dependencies=[require_login(access)])

    @router.get("/")
    def index(request: Request, wanted: ValidRequest, cursor: str | None = None) -> Response:
        return page(
            "index.html",
            found=find(client, wanted, cursor),
            wanted=wanted,
            cursor=cursor,
            counts=client.counts(),
            most_read=MAX_READ,
            shown=SHOWN,
            has_key=has_key(request),
        )

    @router.get("/chips")
    def chips(wanted: ValidRequest) -> Response:
        """The filters with their counts, for live.js."""
        return page("chips.html", wanted=wanted, counts=client.counts())

    @router.get("/jobs/{job_id}/card")
    def card(job_id: str, wanted: ValidRequest) -> Response:
        """A job's card, for live.js; nothing if it is not among those wanted."""
        job = client.get(job_id)
        return page("card.html", job=job) if wanted.fit(job) else Response(status_code=NO_CONTENT)

    return router
