"""Reads what a provider sent without believing any of it: every value may be of any type."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

from ..field_types import is_http_url
from .wire import MalformedResponseError

_MESSAGE_LENGTH = 300
_MODERATION = re.compile(
    r"content polic|moderat|nsfw|flagged|sensitive (?:content|word)|violat|内容政策|敏感",
    re.IGNORECASE,
)


def parse(body: bytes | str) -> dict[str, Any]:
    """The JSON object in `body`; raises MalformedResponseError whatever else it is."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):  # invalid UTF-8 is a ValueError, endless nesting the other
        raise MalformedResponseError("the body is not JSON") from None
    if not isinstance(value, dict):
        raise MalformedResponseError("the body is JSON, but not an object")
    return value


def as_object(value: object) -> dict[str, Any]:
    """An object, also one that came as a JSON string; anything else is empty."""
    if isinstance(value, str):
        try:
            return parse(value)
        except MalformedResponseError:
            return {}
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """A list; anything else is empty."""
    return value if isinstance(value, list) else []


def as_text(value: object) -> str:
    """A string that can be stored, also from a number; anything else is empty."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    # JSON can spell half a surrogate pair, which no UTF-8 writer takes.
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""


def as_int(value: object) -> int | None:
    """A whole number, also one that came as a string; anything else is None."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def as_url(value: object) -> str:
    """An http(s) URL; anything else is empty."""
    url = as_text(value)
    return url if is_http_url(url) else ""


def as_message(*values: object) -> str:
    """The first of `values` that is a text, short enough for a log line."""
    return next((text for text in map(as_text, values) if text), "")[:_MESSAGE_LENGTH]


def host_of(url: str) -> str:
    """The host of a URL in lower case; empty where it cannot be told."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_moderation(message: str) -> bool:
    """Whether a provider's words say that it objects to the content."""
    return _MODERATION.search(message) is not None
