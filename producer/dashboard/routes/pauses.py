"""The page of pauses, with forms that work without JavaScript."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from ....errors import InvalidRequestError
from ...api.access import Access, Caller, require_admin
from ...pauses import PauseControl
from ..page_route import Form, PageRoute, describe_caller, read_form, require_login
from ..rendering import render

SEE_OTHER = 303
UNPROCESSABLE = 422

Fields = Annotated[Form, Depends(read_form)]


def pause_router(pauses: PauseControl, access: Access) -> APIRouter:
    """Return the routes that show, begin and end pauses."""
    router = APIRouter(route_class=PageRoute)
    login = require_login(access)

    def render_page(
        request: Request, caller: Caller, status: int = 200, refused: str = ""
    ) -> Response:
        return render(
            "pauses.html",
            status,
            pauses=pauses.list_all(redacted=not caller.is_admin),
            names=pauses.list_names(),
            may_change=caller.is_admin and not caller.is_read_only,
            refused=refused,
            **describe_caller(request, caller),
        )

    @router.get("/pauses")
    def show(request: Request, caller: Caller = login) -> Response:
        return render_page(request, caller)

    @router.post("/pauses")
    def pause(request: Request, fields: Fields, caller: Caller = login) -> Response:
        require_admin(caller)
        try:
            pauses.pause(fields.get("name", ""), fields.get("reason", ""), caller.name)
        except InvalidRequestError as refused:
            return render_page(request, caller, UNPROCESSABLE, str(refused))
        return RedirectResponse("/pauses", SEE_OTHER)

    @router.post("/pauses/resume")
    def resume(fields: Fields, caller: Caller = login) -> Response:
        require_admin(caller)
        pauses.resume(fields.get("name", ""))
        return RedirectResponse("/pauses", SEE_OTHER)

    return router
