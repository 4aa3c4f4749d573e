"""Reads the fields of a request body, refusing the first that is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request

Refuse = Callable[[str], Exception]


class Fields:
    """A JSON object under inspection; every method raises what `refuse` makes of a complaint."""

    def __init__(self, body: dict[str, Any], refuse: Refuse, prefix: str = "") -> None:
        self.body = body
        self._refuse = refuse
        self._prefix = prefix

    def wrong(self, name: str, complaint: str) -> Exception:
        """Make the refusal of one field."""
        return self._refuse(f"{self._prefix}{name} {complaint}")

    def _value(self, name: str, default: Any) -> Any:
        """Return a field's value; null is the same as absent."""
        value = self.body.get(name)
        return default if value is None else value

    def text(self, name: str, *, required: bool = False, longest: int | None = None) -> str:
        """Read a string, empty where it is absent and not required."""
        value = self.body.get(name)
        if value is None and not required:
            return ""
        if not isinstance(value, str) or (required and not value.strip()):
            raise self.wrong(name, "is required" if required else "must be a string")
        if longest is not None and len(value) > longest:
            raise self.wrong(name, f"must not exceed {longest} characters")
        return value

    def choice(self, name: str, allowed: Collection[Any], default: Any = None) -> Any:
        """Read one of the allowed values; without a default it is required."""
        value = self._value(name, default)
        # By equality and type: 1 is not True, and a list or an object is in no collection.
        if not any(value == one and type(value) is type(one) for one in allowed):
            raise self.wrong(name, f"must be one of {', '.join(map(str, allowed))}")
        return value

    def integer(
        self, name: str, default: int | None = None, low: int | None = None, high: int | None = None
    ) -> int:
        """Read a whole number within its bounds; without a default it is required."""
        value = self._value(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.wrong(name, "must be an integer")
        if (low is not None and value < low) or (high is not None and value > high):
            raise self.wrong(name, f"must be from {low} to {high}")
        return value

    def flags(self, *names: str) -> None:
        """Check that each named field is a boolean where it is given."""
        for name in names:
            if not isinstance(self._value(name, False), bool):
                raise self.wrong(name, "must be a boolean")

    def url(self, name: str, *, required: bool = False) -> str | None:
        """Read an http or https URL."""
        value = self.text(name, required=required)
        if not value:
            return None
        if not _is_url(value):
            raise self.wrong(name, "must be an http or https URL")
        return value

    def urls(self, name: str) -> list[str]:
        """Read a list of URLs, empty where it is absent."""
        values: Any = self._value(name, [])
        if not isinstance(values, list) or not all(map(_is_url, values)):
            raise self.wrong(name, "must be a list of http or https URLs")
        return values

    def texts(self, name: str) -> list[str]:
        """Read a list of strings; it is required."""
        values = self.body.get(name)
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self.wrong(name, "must be a list of strings")
        return values

    def inner(self, name: str) -> Fields:
        """Go into an object inside the body."""
        value = self.body.get(name)
        if not isinstance(value, dict):
            raise self.wrong(name, "must be an object")
        return Fields(value, self._refuse, f"{self._prefix}{name}.")


async def read_body(request: Request, refuse: Refuse) -> Fields:
    """Read a request whose body must be a JSON object."""
    try:
        body = await request.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        body = None
    if not isinstance(body, dict):
        raise refuse("the body must be a JSON object")
    return Fields(body, refuse)


def _is_url(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)
