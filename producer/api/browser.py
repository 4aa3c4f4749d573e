"""Browser access: a session in a cookie, and protection against other sites."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from fastapi import HTTPException, Request
from fastapi.responses import Response

from ...config.http.bounded_protocol import SERVER_END
from ...config.http.local_requests import is_local_request
from ...config.settings import PREFIX

# Named for the API key that earlier versions stored in it.
COOKIE = "imagequeue_key"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
MAX_BROWSER_CHARACTERS = 40
# Chrome and others also say that they are Safari, and an Android that it is Linux.
_BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrome": "Chrome"}
_BROWSERS |= {"Safari": "Safari"}
_SYSTEMS = {"Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows"}
_SYSTEMS |= {"Macintosh": "macOS", "CrOS": "ChromeOS", "Linux": "Linux"}


def login(response: Response, secret: str, *, secure: bool, max_age_s: int) -> None:
    """Set the cookie with a session's secret; `secure` is true for a page served over https."""
    response.set_cookie(
        COOKIE,
        quote(secret, safe=""),
        max_age=max_age_s,
        httponly=True,
        samesite="strict",
        secure=secure,
    )


def logout(response: Response) -> None:
    """Delete the cookie."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")


def read_cookie(request: Request) -> str:
    """Return the secret of a session, or the key, in the cookie; empty without one."""
    return unquote(request.cookies.get(COOKIE, ""))


def describe_browser(request: Request) -> str:
    """Return which browser on which system sent a request, such as `Firefox on Linux`."""
    agent = request.headers.get("user-agent", "")
    browser = next((name for word, name in _BROWSERS.items() if f"{word}/" in agent), "")
    system = next((name for word, name in _SYSTEMS.items() if word in agent), "")
    if browser and system:
        return f"{browser} on {system}"
    return re.sub(r"[^ -~]+", " ", agent)[:MAX_BROWSER_CHARACTERS]


def require_same_origin(request: Request) -> None:
    """Raise HTTPException 403 for a cross-site request that would change something.

    A browser sends the cookie for every page's requests, so one without an origin is refused too.
    """
    if request.method not in SAFE_METHODS and not _is_same_origin(request):
        raise HTTPException(
            403,
            "a page of another site sent this; if it is ours, have the proxy forward "
            "Host and Origin, or give the key as Authorization: Bearer KEY",
        )


def require_local(request: Request) -> None:
    """Raise HTTPException 403 for a request that is not from this machine.

    So is one that may have come through a proxy of this machine.
    """
    scope = request.scope
    version, server = scope.get("http_version", "1.1"), scope.get("server")
    end = scope.get("state", {}).get(SERVER_END)
    if not is_local_request(request.client, server, version, request.headers, end):
        raise HTTPException(
            403,
            "without API keys only programs of this user on this machine have access, at "
            "localhost, by HTTP/1.1 and without a proxy: "
            f"create a key with `imagequeue keys add NAME`, or set {PREFIX}API_KEYS; "
            "a browser may open the link of `imagequeue login` instead",
        )
    if {"origin", "sec-fetch-site"} & set(request.headers):
        require_same_origin(request)


def _is_same_origin(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    # Older browsers, and pages served over http.
    origin = request.headers.get("origin", "").partition("://")[2]
    return origin != "" and origin == request.headers.get("host")
