"""URLs as libcurl reads them: what is checked is what is connected to."""

from __future__ import annotations

import pycurl

from .errors import InvalidUrlError


def parse_url(url: str | bytes, base: pycurl.CurlUrl | None = None) -> pycurl.CurlUrl:
    """Parse an http or https URL, relative to `base` if given; raises InvalidUrlError.

    Spaces and other characters that do not belong there are percent-encoded.
    """
    try:
        parsed = pycurl.CurlUrl(base.url if base else None)
        text = url.encode() if isinstance(url, str) else url
        parsed.setpart(pycurl.UPART_URL, text, pycurl.U_URLENCODE)
        host = parsed.host or ""
        if not host.isascii():
            # libcurl is built without international names here.
            host = host.encode("idna").decode()
            parsed.host = host
    except (pycurl.error, ValueError):
        raise InvalidUrlError("the URL is not a web address") from None
    if parsed.scheme not in ("http", "https") or not host or host.startswith("."):
        raise InvalidUrlError("the URL is not a web address")
    return parsed


def get_origin(url: pycurl.CurlUrl) -> tuple[str, str, str]:
    """Return the scheme, host and port: the host in lower case and without brackets."""
    port = url.getpart(pycurl.UPART_PORT, pycurl.U_DEFAULT_PORT)
    return url.scheme or "", (url.host or "").strip("[]").lower(), port or ""
