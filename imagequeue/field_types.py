"""Types of fields that settings, accounts and job requests share."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    SecretStr,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_settings import NoDecode

# Also without control characters, which libcurl refuses.
_HTTP_URL = re.compile(r"https?://[^\s/?#\0-\x1f\x7f]+[^\s\0-\x1f\x7f]*", re.IGNORECASE)
_BASE_URL = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?")


def is_http_url(text: str) -> bool:
    """Return whether a machine could fetch it: scheme, host, no white space."""
    return _HTTP_URL.fullmatch(text) is not None


def _check_base_url(url: str) -> str:
    if not _BASE_URL.fullmatch(url):
        raise ValueError("must be an http:// or https:// URL without a query")
    return url.rstrip("/")


def _check_http_url(url: str) -> str:
    if not is_http_url(url) or "@" in url:
        raise ValueError("must be an http:// or https:// URL without a user in it")
    return url


def split_list(value: Any) -> Any:
    """Turn `a, b` into ("a", "b"), without empty entries; what is not text is returned as it is."""
    if not isinstance(value, str):
        return value
    return tuple(part for part in (raw.strip() for raw in value.split(",")) if part)


def _empty_to_none(value: Any) -> Any:
    return None if value == "" else value


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
# Any time of this or the next millennium is still a time if it is added or subtracted.
_MAX_DURATION = timedelta(days=36_500)


def parse_duration(value: Any) -> timedelta:
    """Return the duration in `90s`, `30m`, `2h` or `7d`; raises ValueError above 36500d."""
    if isinstance(value, str) and (found := _DURATION.fullmatch(value)):
        value = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if not isinstance(value, timedelta) or not timedelta(0) <= value <= _MAX_DURATION:
        raise ValueError("must be a duration such as 90s, 30m, 2h or 7d, of at most 36500d")
    return value


Duration = Annotated[
    timedelta,
    PlainValidator(parse_duration),
    WithJsonSchema({"type": "string", "examples": ["24h"]}),
]

MAX_URL_CHARACTERS = 8192
# A string with any constraint must also be encodable: pydantic refuses half a surrogate pair.
Name = Annotated[str, StringConstraints(max_length=255)]
"""An id or a name that comes from outside, and may be part of a Redis key or of an answer."""

URLText = Annotated[str, StringConstraints(max_length=MAX_URL_CHARACTERS)]

Unset = BeforeValidator(_empty_to_none)
"""Reads an empty text as no value, so that `NAME=` in an environment means unset."""

BaseURL = Annotated[str, AfterValidator(_check_base_url)]
"""An address that paths are appended to, without a slash at its end."""

HttpURL = Annotated[URLText, AfterValidator(_check_http_url)]
OptionalSecret = Annotated[SecretStr | None, Unset]

COMMAS = (NoDecode, BeforeValidator(split_list))
"""The marker and the validator of a comma-separated list; unpacked into `Annotated`."""

Secrets = Annotated[tuple[SecretStr, ...], *COMMAS]

# Later dates cannot be computed: `inf` would stop a worker in the middle of its work.
MAX_SECONDS = 10 * 365 * 86400
Seconds = Annotated[float, Field(gt=0, le=MAX_SECONDS)]
SecondsList = Annotated[tuple[Seconds, ...], *COMMAS]
