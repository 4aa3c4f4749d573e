"""Lenient reading of what a provider sent: every value may be of any type."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

from ..field_types import is_http_url
from .wire import MalformedResponseError

_MAX_MESSAGE_CHARACTERS = 300
_MODERATION = re.compile(
    r"content polic|moderat|nsfw|flagged|sensitive (?:content|word)|violat|内容政策|敏感",
    re.IGNORECASE,
)


def parse_object(body: bytes | str) -> dict[str, Any]:
    """Return the JSON object in `body`; raises MalformedResponseError on anything else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):  # invalid UTF-8 is a ValueError, deep nesting the other
        raise MalformedResponseError("the body is not JSON") from None
    if not isinstance(value, dict):
        raise MalformedResponseError("the body is JSON, but not an object")
    return value


def to_object(value: object) -> dict[str, Any]:
    """Return an object, also one inside of a JSON string; anything else is empty."""
    if isinstance(value, str):
        try:
            return parse_object(value)
        except MalformedResponseError:
            return {}
    return value if isinstance(value, dict) else {}


def to_list(value: object) -> list[Any]:
    """Return a list; anything else is empty."""
    return value if isinstance(value, list) else []


def to_text(value: object) -> str:
    """Return a string that can be stored, also from an integer; anything else is empty."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    # JSON can spell half a surrogate pair, which no UTF-8 writer accepts.
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""


def to_int(value: object) -> int | None:
    """Return an integer, also from a string of digits; anything else is None."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def to_url(value: object) -> str:
    """Return an http(s) URL; anything else is empty."""
    url = to_text(value)
    return url if is_http_url(url) else ""


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
