"""Routes whose errors are pages, and the form that a request brings."""

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
from ..api.access import Access
from ..api.problems import STATUSES
from .rendering import page

MAX_FORM = 8192
Form = dict[str, str]
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class LoginNeededError(Exception):
    """Nobody we know asks for a page."""


class PageRoute(APIRoute):
    """A route that answers what goes wrong with a page in words."""

    def get_route_handler(self) -> Handler:
        """The handler of the route, its errors caught."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except LoginNeededError:
                return login_page(_way_back(request))
            except (ImageQueueError, HTTPException, RequestValidationError) as error:
                return _error_page(error)

        return handled


def require_login(access: Access) -> Any:
    """What a route depends on that is for those alone who may come in."""

    def enter(request: Request) -> None:
        if access.caller_or_none(request) is None:
            raise LoginNeededError

    return Depends(enter)


def has_key(request: Request) -> bool:
    """Whether the browser brought a key: then it can log out."""
    return bool(browser.key_of(request))


def login_page(way_back: str, wrong: bool = False) -> Response:
    """The form that asks for a key; afterwards it goes on at `way_back`."""
    return page("login.html", HTTPStatus.UNAUTHORIZED, way_back=way_back, wrong=wrong)


async def form(request: Request) -> Form:
    """The fields of a plain HTML form; raises HTTPException for one that is none of ours.

    Parsed here, because FastAPI would need one more package for it.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            raise HTTPException(413, "this form is too long to be one of ours")
    return dict(parse_qsl(body.decode(errors="replace")))


def _way_back(request: Request) -> str:
    if request.method != "GET":
        return "/"
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _error_page(error: Exception) -> Response:
    status, words = _told(error)
    return page("error.html", status, title=HTTPStatus(status).phrase, words=words)


def _told(error: Exception) -> tuple[int, str]:
    if isinstance(error, HTTPException):
        return error.status_code, str(error.detail)
    if isinstance(error, RequestValidationError):
        found = error.errors()[0]
        return HTTPStatus.UNPROCESSABLE_ENTITY, f"{found['loc'][-1]}: {found['msg']}"
    return next(code for kind, code in STATUSES.items() if isinstance(error, kind)), str(error)
