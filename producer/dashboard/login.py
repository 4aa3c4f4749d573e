"""The routes that let a browser in and out: a key, once, and then a cookie."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from ..api import browser
from ..api.access import Access
from .routing import Form, PageRoute, form, login_page

HERE = re.compile(r"/(?![/\\])[^\s\\]*")


def login_router(access: Access) -> APIRouter:
    """`/login` and `/logout`."""
    router = APIRouter(route_class=PageRoute)

    @router.get("/login")
    def show() -> Response:
        return RedirectResponse("/", 303)

    @router.post("/login")
    def login(request: Request, given: Annotated[Form, Depends(form)]) -> Response:
        browser.require_same_origin(request)
        way_back = _safe(given.get("way_back", ""))
        key = given.get("key", "").strip()
        if access.of_key(key) is None:
            return login_page(way_back, wrong=True)
        answer = RedirectResponse(way_back, 303)
        browser.login(answer, key, secure=request.url.scheme == "https")
        return answer

    @router.post("/logout")
    def logout(request: Request) -> Response:
        browser.require_same_origin(request)
        answer = RedirectResponse("/", 303)
        browser.logout(answer)
        return answer

    return router


def _safe(way_back: str) -> str:
    """A path of ours: nobody is sent to another site by our own form."""
    return way_back if HERE.fullmatch(way_back) else "/"
