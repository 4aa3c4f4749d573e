"""What a browser may do with the API: a key in a cookie, and requests of our own pages alone."""

from __future__ import annotations

import ipaddress
from urllib.parse import quote, unquote, urlsplit

from fastapi import HTTPException, Request
from fastapi.responses import Response

from ...config.settings import PREFIX

COOKIE = "imagequeue_key"
COOKIE_KEPT_S = 30 * 86400
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# What a proxy adds, or passes on from whoever sent it.
FORWARDED = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
)


def login(response: Response, key: str, *, secure: bool) -> None:
    """Have the browser keep a key; `secure` says that the page came over https."""
    response.set_cookie(
        COOKIE,
        quote(key, safe=""),
        max_age=COOKIE_KEPT_S,
        httponly=True,
        samesite="strict",
        secure=secure,
    )


def logout(response: Response) -> None:
    """Have the browser forget its key."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")


def key_of(request: Request) -> str:
    """The key in the browser's cookie; empty without one."""
    return unquote(request.cookies.get(COOKIE, ""))


def require_same_origin(request: Request) -> None:
    """Refuse to change anything for a page of another site; raises HTTPException, status 403.

    A browser sends its cookie along whoever wrote the page, so one that does not say where the
    request comes from is refused too.
    """
    if request.method not in SAFE_METHODS and not _is_same_origin(request):
        raise HTTPException(
            403,
            "a page of another site sent this; if it is ours, have the proxy in between pass on "
            "Host and Origin, or give the key as Authorization: Bearer KEY",
        )


def require_local(request: Request) -> None:
    """Refuse all but this machine, as long as there is no key; raises HTTPException, status 403.

    What came through a proxy is refused, whatever address its headers give: anybody may write
    them. So is a host name that only leads here: its owner may have pointed a browser at us.
    """
    if not _is_local(request) or any(name in request.headers for name in FORWARDED):
        raise HTTPException(
            403,
            "without API keys only this machine gets in, at localhost and without a proxy: "
            f"make a key with `imagequeue keys add NAME`, or set {PREFIX}API_KEYS",
        )
    if {"origin", "sec-fetch-site"} & set(request.headers):
        require_same_origin(request)


def _is_same_origin(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    # Older browsers, and pages over http.
    origin = request.headers.get("origin", "").partition("://")[2]
    return origin != "" and origin == request.headers.get("host")


def _is_local(request: Request) -> bool:
    # Without an address it came over a socket file of this machine.
    peer = request.client.host if request.client else "127.0.0.1"
    return _is_loopback(peer) and _is_loopback(_hostname(request.headers.get("host", "")))


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
