"""Lenient reading of what a provider sent: every value may be of any type."""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import unquote, urlsplit

from ..field_types import is_http_url
from .wire import MalformedResponseError

_MAX_MESSAGE_CHARACTERS = 300
MAX_LEVELS = 8
_WRAPPED = ("{", "[", '"')
_AROUND_URLS = " \t\r\n\"'`<>\u00a0\u200b\ufeff\u2018\u2019\u201c\u201d"
_BETWEEN_URLS = re.compile(r"[\s,;|]+(?=https?:)", re.IGNORECASE)
_ENCODED_URL = re.compile(r"https?%3a%2f%2f", re.IGNORECASE)
_MODERATION = re.compile(
    r"content polic|moderat|nsfw|flagged|sensitive (?:content|word)|violat|内容政策|敏感",
    re.IGNORECASE,
)


def decode(value: object) -> object:
    """Return the value inside of JSON strings, one in another; a plain text stays as it is.

    Vendors wrap lists, objects and numbers in strings, and change that without notice.
    """
    for _ in range(MAX_LEVELS):
        if not isinstance(value, str) or not value.strip().startswith(_WRAPPED):
            break
        try:
            value = json.loads(value.strip())
        except (ValueError, RecursionError):
            break
    return value


def parse_object(body: bytes | str) -> dict[str, Any]:
    """Return the JSON object in `body`; raises MalformedResponseError on anything else."""
    try:
        value = decode(json.loads(body))
        if isinstance(value, list) and len(value) == 1:
            value = decode(value[0])
    except (ValueError, RecursionError):  # invalid UTF-8 is a ValueError, deep nesting the other
        raise MalformedResponseError("the body is not JSON") from None
    if not isinstance(value, dict):
        raise MalformedResponseError("the body is JSON, but not an object")
    return value


def to_object(value: object) -> dict[str, Any]:
    """Return an object, also the only one of a list; anything else is empty."""
    value = decode(value)
    if isinstance(value, list) and len(value) == 1:
        value = decode(value[0])
    return value if isinstance(value, dict) else {}


def to_text(value: object) -> str:
    """Return a trimmed string that can be stored, also from an integer; anything else is empty."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value.startswith('"') and isinstance(decode(value), str):
        value = decode(value)
    # JSON can spell half a surrogate pair, which no UTF-8 writer accepts.
    return value.encode(errors="replace").decode().strip() if isinstance(value, str) else ""


def to_int(value: object) -> int | None:
    """Return an integer, also from digits in a string; anything else is None."""
    value = decode(value)
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}(\.0+)?", value.strip()):
        return int(float(value))
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def to_amount(value: object) -> Decimal | None:
    """Return an amount of credits, a number or one in text; None for anything else."""
    value = decode(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None


def to_bool(value: object) -> bool | None:
    """Return true or false, also from 1, 0 or a word in a string; anything else is None."""
    value = decode(value)
    if isinstance(value, bool):
        return value
    return {"true": True, "1": True, "false": False, "0": False}.get(to_text(value).lower())


def has_content(value: object) -> bool:
    """Return whether a value is more than an empty one, or a word for it, at every level."""
    value = decode(value)
    if isinstance(value, dict | list):
        return any(map(has_content, value.values() if isinstance(value, dict) else value))
    return value is True or to_text(value).lower() not in ("", "null", "none", "0", "false")


def to_urls(value: object, *names: str, levels: int = MAX_LEVELS) -> list[str]:
    """Return the http(s) URLs in a text, in a list, or in an object under one of `names`."""
    value = decode(value)
    inner: list[Any] = []
    if isinstance(value, str):
        found = map(_clean_url, _BETWEEN_URLS.split(to_text(value)))
        return [url for url in found if is_http_url(url)]
    if isinstance(value, list):
        inner = value
    elif isinstance(value, dict):
        inner = [value[name] for name in names if name in value]
    return [url for each in inner if levels for url in to_urls(each, *names, levels=levels - 1)]


def _clean_url(text: str) -> str:
    """Return a URL without what surrounds it, and without the escapes of a string in a string."""
    url = text.replace("\\/", "/").replace("\\n", "").strip(_AROUND_URLS)
    if _ENCODED_URL.match(url):
        url = unquote(url)
    return f"https:{url}" if url.startswith("//") else url.replace(" ", "%20")


def find_urls(value: object, levels: int = MAX_LEVELS) -> list[str]:
    """Return the http(s) URLs at any place of a value."""
    value = decode(value)
    if not isinstance(value, dict | list):
        return to_urls(value)
    inner = value.values() if isinstance(value, dict) else value
    return [url for each in inner if levels for url in find_urls(each, levels - 1)]


def to_url(value: object) -> str:
    """Return the first http(s) URL in a text or a list; empty if there is none."""
    return next(iter(to_urls(value)), "")


def to_message(*values: object) -> str:
    """Return the first of `values` that is a text, shortened for a log line."""
    return next((text for text in map(to_text, values) if text), "")[:_MAX_MESSAGE_CHARACTERS]


def parse_host(url: str) -> str:
    """Return the host of a URL in lower case; empty if it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_moderation(message: str) -> bool:
    """Return whether a provider's message objects to the content."""
    return _MODERATION.search(message) is not None
