"""Reading of a request's JSON body; the first invalid field refuses the request."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request

ToError = Callable[[str], Exception]


class Fields:
    """A JSON object; each method raises what `to_error` makes of its message."""

    def __init__(self, body: dict[str, Any], to_error: ToError, prefix: str = "") -> None:
        self.body = body
        self.build_error = to_error
        self._prefix = prefix

    def build_refusal(self, name: str, message: str) -> Exception:
        """Return the refusal of one field."""
        return self.build_error(f"{self._prefix}{name} {message}")

    def _value(self, name: str, default: Any) -> Any:
        """Return a field's value; null is the same as absent."""
        value = self.body.get(name)
        return default if value is None else value

    def read_text(self, name: str, *, required: bool = False, max_length: int | None = None) -> str:
        """Return a string; empty if it is absent and not required."""
        value = self.body.get(name)
        if value is None and not required:
            return ""
        if not isinstance(value, str) or (required and not value.strip()):
            raise self.build_refusal(name, "is required" if required else "must be a string")
        if max_length is not None and len(value) > max_length:
            raise self.build_refusal(name, f"must not exceed {max_length} characters")
        return value

    def read_choice(self, name: str, allowed: Collection[Any], default: Any = None) -> Any:
        """Return one of the allowed values; without a default it is required."""
        value = self._value(name, default)
        # Compare types too: 1 equals True. Lists and objects cannot be hashed for `in`.
        if not any(value == one and type(value) is type(one) for one in allowed):
            raise self.build_refusal(name, f"must be one of {', '.join(map(str, allowed))}")
        return value

    def read_integer(
        self, name: str, default: int | None = None, low: int | None = None, high: int | None = None
    ) -> int:
        """Return an integer within its bounds; without a default it is required."""
        value = self._value(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.build_refusal(name, "must be an integer")
        if (low is not None and value < low) or (high is not None and value > high):
            raise self.build_refusal(name, f"must be from {low} to {high}")
        return value

    def check_flags(self, *names: str) -> None:
        """Check that each named field is a boolean or absent."""
        for name in names:
            if not isinstance(self._value(name, False), bool):
                raise self.build_refusal(name, "must be a boolean")

    def read_url(self, name: str, *, required: bool = False) -> str | None:
        """Return an http or https URL."""
        value = self.read_text(name, required=required)
        if not value:
            return None
        if not is_url(value):
            raise self.build_refusal(name, "must be an http or https URL")
        return value

    def read_urls(self, name: str) -> list[str]:
        """Return a list of URLs; empty if it is absent."""
        values: Any = self._value(name, [])
        if not isinstance(values, list) or not all(map(is_url, values)):
            raise self.build_refusal(name, "must be a list of http or https URLs")
        return values

    def read_texts(self, name: str) -> list[str]:
        """Return a list of strings; it is required."""
        values = self.body.get(name)
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self.build_refusal(name, "must be a list of strings")
        return values

    def read_object(self, name: str) -> Fields:
        """Return the fields of an object inside of this one."""
        value = self.body.get(name)
        if not isinstance(value, dict):
            raise self.build_refusal(name, "must be an object")
        return Fields(value, self.build_error, f"{self._prefix}{name}.")


async def read_body(request: Request, to_error: ToError) -> Fields:
    """Return the fields of a request, whose body must be a JSON object."""
    try:
        body = await request.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        body = None
    if not isinstance(body, dict):
        raise to_error("the body must be a JSON object")
    return Fields(body, to_error)


def is_url(value: object) -> bool:
    """Return whether a value is an http or https URL."""
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)
