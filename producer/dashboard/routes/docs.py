"""The routes of the API's own documentation: its OpenAPI document, and Swagger UI to read it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import Response

from ...api.access import Access
from ..page_route import PageRoute, require_login
from ..rendering import CONTENT_SECURITY_POLICY, render

# Swagger UI's style has its icons in it, as data.
DOCS_POLICY = CONTENT_SECURITY_POLICY.replace("img-src 'self'", "img-src 'self' data:")


def docs_router(app: FastAPI, access: Access) -> APIRouter:
    """Return the routes `/docs` and `/openapi.json` of an app; they need a key like all others."""
    router = APIRouter(include_in_schema=False)

    @router.get("/openapi.json", dependencies=[Depends(access)])
    def document() -> dict[str, Any]:
        return app.openapi()

    pages = APIRouter(route_class=PageRoute, dependencies=[require_login(access)])

    @pages.get("/docs")
    def show() -> Response:
        page = render("docs.html")
        page.headers["Content-Security-Policy"] = DOCS_POLICY
        return page

    router.include_router(pages)
    return router
