"""The routes of login and logout: an API key is exchanged for a cookie."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from ..api import browser
from ..api.access import Access
from .page_route import Form, PageRoute, read_form, render_login

OWN_PATH = re.compile(r"/(?![/\\])[^\s\\]*")


def login_router(access: Access) -> APIRouter:
    """Return the routes of `/login` and `/logout`."""
    router = APIRouter(route_class=PageRoute)

    @router.get("/login")
    def show() -> Response:
        return RedirectResponse("/", 303)

    @router.post("/login")
    def login(request: Request, fields: Annotated[Form, Depends(read_form)]) -> Response:
        browser.require_same_origin(request)
        way_back = _to_own_path(fields.get("way_back", ""))
        key = fields.get("key", "").strip()
        if access.find_caller(key) is None:
            return render_login(way_back, wrong=True)
        response = RedirectResponse(way_back, 303)
        browser.login(response, key, secure=request.url.scheme == "https")
        return response

    @router.post("/logout")
    def logout(request: Request) -> Response:
        browser.require_same_origin(request)
        response = RedirectResponse("/", 303)
        browser.logout(response)
        return response

    return router


def _to_own_path(way_back: str) -> str:
    """Return the path if it is on this site: the form must not redirect to another one."""
    return way_back if OWN_PATH.fullmatch(way_back) else "/"
