"""The form of a new job: a field for each property in the JSON Schema of its request."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ...config.settings import Settings
from ...errors import ConfigError, InvalidRequestError, Problem
from ...providers import PROVIDERS
from ...providers.describe import RequestDetails, describe_provider

# With JSON's names: a browser sends the text of an option.
_YES_OR_NO = (True, False)
_OTHERS = {"type": "object", "description": "Other parameters, as a JSON object."}

Texts = dict[str, str]
"""What the controls of a form contain, by the names of its fields."""


@dataclass(frozen=True)
class FormField:
    """One field, named as a problem names it: `prompt`, or `params.size`."""

    name: str
    schema: Mapping[str, Any]
    is_required: bool = False

    @property
    def label(self) -> str:
        """The last part of the name, in words."""
        return self.name.rpartition(".")[2].replace("_", " ").capitalize()

    @property
    def default(self) -> Any:
        """The value if nothing is given; None without one."""
        return self.schema.get("default")

    @property
    def type(self) -> Mapping[str, Any]:
        """The schema of its values, null left out."""
        several = self.schema.get("anyOf", [self.schema])
        return next((each for each in several if each.get("type") != "null"), self.schema)

    @property
    def options(self) -> tuple[Any, ...]:
        """The allowed values, if they are few."""
        if "const" in self.type:
            return (self.type["const"],)
        if self.type.get("type") == "boolean":
            return _YES_OR_NO
        return tuple(self.type.get("enum", ()))

    @property
    def control(self) -> str:
        """How a page shows it: none, checkbox, select, number, lines, json, long or text."""
        if "const" in self.schema:
            return "none"
        if self.options == _YES_OR_NO and self.default is not None:
            return "checkbox"
        if self.options:
            return "select"
        match self.type.get("type"):
            case "integer" | "number":
                return "number"
            case "array" if self.type.get("items", {}).get("type") == "string":
                return "lines"
            case "array" | "object":
                return "json"
        return "long" if self.name.endswith("prompt") else "text"

    def format(self, value: Any) -> str:
        """Return the content of the control for a value; empty for None."""
        if value is None:
            return ""
        if self.control == "lines" and isinstance(value, list | tuple):
            return "\n".join(map(str, value))
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    def parse(self, text: str) -> Any:
        """Return the value of a control's content, None if it is empty.

        What cannot be converted stays text, for the provider's validation to refuse. Raises
        InvalidRequestError for what is not JSON.
        """
        if self.control == "none":
            return self.schema["const"]
        if self.control == "checkbox":
            return text == "true"
        if self.control == "select":
            return next((each for each in self.options if self.format(each) == text), text or None)
        if self.control == "lines":
            return [line.strip() for line in text.splitlines() if line.strip()] or None
        if not text.strip():
            return None
        if self.control == "number":
            return _parse_number(text.strip())
        if self.control == "json":
            return _parse_json(self.name, text)
        return text.replace("\r\n", "\n")


@dataclass(frozen=True)
class Choice:
    """One kind of request that a page offers, with its fields."""

    provider: str
    details: RequestDetails

    @property
    def value(self) -> str:
        """Its name in a URL."""
        return f"{self.provider}/{self.details.action}/{self.details.model}"

    @property
    def takes_images(self) -> bool:
        """Whether a request may have `image_urls`."""
        return "image_urls" in self.details.json_schema["properties"]

    @property
    def fields(self) -> list[FormField]:
        """The fields, those of the request first, then the parameters, required ones first."""
        schema = self.details.json_schema
        params = schema["properties"]["params"]
        own = [
            FormField(name, schema["properties"][name], name in schema["required"])
            for name in ("prompt", "image_urls")
            if name in schema["properties"]
        ]
        needed = params.get("required", ())
        found = [
            FormField(f"params.{name}", each, name in needed)
            for name, each in params["properties"].items()
        ]
        found.sort(key=lambda field: not field.is_required)
        return own + found + ([FormField("params", _OTHERS)] if self._is_open else [])

    @property
    def _is_open(self) -> bool:
        return bool(self.details.json_schema["properties"]["params"]["additionalProperties"])

    def fill(self, given: Mapping[str, Any]) -> Texts:
        """Return what the controls contain for the fields of a request, or their defaults."""
        params = dict(given.get("params", {}))
        texts = {}
        for field in self.fields:
            top, _, name = field.name.partition(".")
            if name:
                value = params.pop(name, field.default)
            else:
                value = given.get(top, field.default) if top != "params" else params or None
            texts[field.name] = field.format(value)
        return texts

    def read(self, texts: Texts) -> dict[str, Any]:
        """Return the fields of a request, without those that have their default.

        Raises InvalidRequestError.
        """
        request: dict[str, Any] = {"provider": self.provider, "action": self.details.action}
        params: dict[str, Any] = {}
        for field in self.fields:
            value = field.parse(texts.get(field.name, ""))
            if value is None or (value == field.default and not field.is_required):
                continue
            _, dot, name = field.name.partition(".")
            if dot:
                params[name] = value
            elif field.name == "params":
                params = value | params
            else:
                request[field.name] = value
        priority = texts.get("priority")
        return request | {"params": params} | ({"priority": priority} if priority else {})


def list_choices(settings: Settings) -> list[Choice]:
    """Return every kind of request of the providers that have a key."""
    return [
        Choice(name, details)
        for name, provider in PROVIDERS.items()
        if any(_has_key(settings, each) for each in provider.services)
        for details in describe_provider(name).requests
    ]


def find_choice(
    choices: list[Choice], provider: str, action: str, params: Mapping[str, Any]
) -> Choice | None:
    """Return the kind of a request; None if it is not offered."""
    named = [each for each in choices if (each.provider, each.details.action) == (provider, action)]
    of_model = [each for each in named if each.details.model == params.get("model")]
    return next(iter([*of_model, *(each for each in named if not each.details.model)]), None)


def _has_key(settings: Settings, provider: Any) -> bool:
    with suppress(ConfigError):
        return bool(settings.usable_keys(provider))
    return False


def _parse_number(text: str) -> int | float | str:
    for convert in (int, float):
        with suppress(ValueError):
            number: int | float = convert(text)
            return number if math.isfinite(number) else text
    return text


def _parse_json(name: str, text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidRequestError([Problem(name, "is not JSON")]) from None
    if name == "params" and not isinstance(value, dict):
        raise InvalidRequestError([Problem(name, 'must be a JSON object, such as {"n": 2}')])
    return value
