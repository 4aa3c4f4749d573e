"""The route class whose errors are HTML pages, with its login and form parsing."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Depends, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from ...errors import ImageQueueError
from ..api import browser
from ..api.access import Access, Caller
from ..api.problems import get_status
from .rendering import render

MAX_FORM_BYTES = 8192
Form = dict[str, str]
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class LoginNeededError(Exception):
    """An unauthenticated browser requested a page."""


class PageRoute(APIRoute):
    """A route that answers errors with HTML pages."""

    def get_route_handler(self) -> Handler:
        """Return the route's handler, with its errors turned into pages."""
        handle = super().get_route_handler()

        async def handle_errors(request: Request) -> Response:
            try:
                return await handle(request)
            except LoginNeededError:
                return render_login(_return_path(request))
            except (ImageQueueError, HTTPException, RequestValidationError) as error:
                return _render_error(request, error)

        return handle_errors


def require_login(access: Access) -> Any:
    """Return the dependency of routes that need a login; its value is the caller."""
    return _require(access.caller_or_none)


def require_visitor(access: Access) -> Any:
    """Return the same for what every role may change."""
    return _require(access.find_visitor)


def _require(find: Callable[[Request], Caller | None]) -> Any:
    def check(request: Request) -> Caller:
        caller = find(request)
        if caller is None:
            raise LoginNeededError
        request.state.caller = caller
        return caller

    return Depends(check)


def describe_caller(request: Request, caller: Caller) -> dict[str, Any]:
    """Return what a page depends on: who sees it, and may do what."""
    return {
        "is_logged_in": bool(browser.read_cookie(request)),
        "caller_name": caller.name,
        "role": caller.role,
        "is_admin": caller.is_admin,
        "read_only": caller.is_read_only,
    }


def render_login(way_back: str, wrong: bool = False) -> Response:
    """Render the form that asks for a key and then redirects to `way_back`."""
    return render("login.html", HTTPStatus.UNAUTHORIZED, way_back=way_back, wrong=wrong)


async def read_form(request: Request) -> Form:
    """Return the fields of an HTML form; raises HTTPException 413 above MAX_FORM_BYTES.

    Parsed here, because FastAPI would need another package for it.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise HTTPException(413, f"the form is too long: it may have {MAX_FORM_BYTES} bytes")
    return dict(parse_qsl(body.decode(errors="replace")))


def _return_path(request: Request) -> str:
    if request.method != "GET":
        return "/"
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _render_error(request: Request, error: Exception) -> Response:
    status, message = _describe_error(error)
    caller = getattr(request.state, "caller", None)
    known = describe_caller(request, caller) if caller else {}
    return render("error.html", status, title=HTTPStatus(status).phrase, message=message, **known)


def _describe_error(error: Exception) -> tuple[int, str]:
    if isinstance(error, HTTPException):
        return error.status_code, str(error.detail)
    if isinstance(error, RequestValidationError):
        found = error.errors()[0]
        return HTTPStatus.UNPROCESSABLE_ENTITY, f"{found['loc'][-1]}: {found['msg']}"
    return get_status(error), str(error)
