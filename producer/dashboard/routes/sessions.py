"""The page of sessions: which browsers are logged in, and a button that ends each."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from ....config.redis import reachable
from ....store.callers.hashing import hash_key
from ....store.callers.roles import Role
from ....store.callers.sessions import SessionUse
from ...api.access import Access, Caller
from ...api.browser import read_cookie
from ..page_route import Form, PageRoute, describe_caller, read_form, require_visitor
from ..rendering import render

SEE_OTHER = 303


def session_router(access: Access) -> APIRouter:
    """Return the routes that list and end sessions: one's own, and those of all for an admin."""
    router = APIRouter(route_class=PageRoute)
    # A viewer may end its own sessions, too.
    visitor = require_visitor(access)

    @router.get("/sessions")
    def show(request: Request, caller: Caller = visitor) -> Response:
        own_hash = hash_key(read_cookie(request))
        with reachable():
            found = _list_visible(access, caller, own_hash)
            shown = [_describe(access, each, own_hash) for each in found]
        return render("sessions.html", sessions=shown, **describe_caller(request, caller))

    @router.post("/sessions/end")
    def end(
        request: Request, fields: Annotated[Form, Depends(read_form)], caller: Caller = visitor
    ) -> Response:
        own_hash = hash_key(read_cookie(request))
        with reachable():
            visible = _list_visible(access, caller, own_hash)
            chosen = [each for each in visible if each.id == fields.get("id")]
            if fields.get("others"):
                chosen = [each for each in visible if each.hash != own_hash]
            access.sessions.end(each.hash for each in chosen)
        return RedirectResponse("/sessions", SEE_OTHER)

    return router


def _list_visible(access: Access, caller: Caller, own_hash: str) -> list[SessionUse]:
    """Return the sessions of the caller, or of all for an admin.

    The sessions of links share a name, and perhaps no more: each of them has only itself.
    """
    known = access.sessions.list_all()
    if caller.role is Role.ADMIN:
        return known
    own = next((each.session for each in known if each.hash == own_hash), None)
    has_key = own is None or own.login == "key"
    return [
        each
        for each in known
        if each.hash == own_hash
        or (has_key and each.session.login == "key" and each.session.caller == caller.name)
    ]


def _describe(access: Access, use: SessionUse, own_hash: str) -> dict[str, Any]:
    return {
        "id": use.id,
        "session": use.session,
        "used_at": use.used_at,
        "role": access.find_role(use.session),
        "is_this": use.hash == own_hash,
    }
