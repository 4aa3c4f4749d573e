"""The routes of login and logout: an API key or a one-time link starts a session."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from ....config.redis import reachable
from ....store.callers.hashing import hash_key
from ....store.callers.roles import Role
from ....store.callers.sessions import KEY_SESSION_S, LINK_SESSION_S
from ...api import browser
from ...api.access import Access
from ..page_route import Form, PageRoute, read_form, render_login
from ..rendering import render

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
        caller = access.find_caller(key)
        if caller is None:
            return render_login(way_back, wrong=True)
        return _start(access, request, caller.name, key=key, way_back=way_back)

    # A GET changes nothing: programs that preview or scan links must not use one up.
    @router.get("/login/{token}")
    def show_link(token: str) -> Response:
        with reachable():
            given = access.links.find(token)
        if given is None:
            raise _make_gone_error()
        return render("login_link.html", given=given)

    @router.post("/login/{token}")
    def use_link(request: Request, token: str) -> Response:
        browser.require_same_origin(request)
        with reachable():
            given = access.links.use(token)
        if given is None:
            raise _make_gone_error()
        return _start(access, request, given.caller, role=given.role)

    @router.post("/logout")
    def logout(request: Request) -> Response:
        browser.require_same_origin(request)
        with reachable():
            _end(access, request)
        response = RedirectResponse("/", 303)
        browser.logout(response)
        return response

    return router


def _start(
    access: Access,
    request: Request,
    caller: str,
    *,
    role: Role | None = None,
    key: str = "",
    way_back: str = "/",
) -> Response:
    """Start a session in place of the browser's former one, and redirect."""
    key_hash = hash_key(key) if key else ""
    used = browser.describe_browser(request)
    with reachable():
        _end(access, request)
        secret = access.sessions.start(caller, role=role, key_hash=key_hash, browser=used)
    response = RedirectResponse(way_back, 303)
    secure = request.url.scheme == "https"
    lasts_s = LINK_SESSION_S if role else KEY_SESSION_S
    browser.login(response, secret, secure=secure, max_age_s=lasts_s)
    return response


def _end(access: Access, request: Request) -> None:
    access.sessions.end([hash_key(browser.read_cookie(request))])


def _make_gone_error() -> HTTPException:
    return HTTPException(
        410, "this login link was used or has expired: `imagequeue login` prints a new one"
    )


def _to_own_path(way_back: str) -> str:
    """Return the path if it is on this site: the form must not redirect to another one."""
    return way_back if OWN_PATH.fullmatch(way_back) else "/"
