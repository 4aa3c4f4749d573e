"""The routes of login and logout: an API key or a one-time link is exchanged for a cookie."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from ...config.redis import reachable
from ...store.callers.local_logins import SESSION_S
from ..api import browser
from ..api.access import Access
from .page_route import Form, PageRoute, read_form, render_login
from .rendering import render

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

    # A GET changes nothing: programs that preview or scan links must not use one up.
    @router.get("/login/{token}")
    def show_link(token: str) -> Response:
        with reachable():
            is_unused = access.logins.is_unused(token)
        if not is_unused:
            raise _make_gone_error()
        return render("login_link.html")

    @router.post("/login/{token}")
    def use_link(request: Request, token: str) -> Response:
        browser.require_same_origin(request)
        with reachable():
            session = access.logins.start_session(token)
        if session is None:
            raise _make_gone_error()
        response = RedirectResponse("/", 303)
        secure = request.url.scheme == "https"
        browser.login(response, session, secure=secure, max_age_s=SESSION_S)
        return response

    @router.post("/logout")
    def logout(request: Request) -> Response:
        browser.require_same_origin(request)
        with reachable():
            access.logins.end_session(browser.read_key(request))
        response = RedirectResponse("/", 303)
        browser.logout(response)
        return response

    return router


def _make_gone_error() -> HTTPException:
    return HTTPException(
        410, "this login link was used or has expired: `imagequeue login` prints a new one"
    )


def _to_own_path(way_back: str) -> str:
    """Return the path if it is on this site: the form must not redirect to another one."""
    return way_back if OWN_PATH.fullmatch(way_back) else "/"
