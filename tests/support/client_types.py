"""Write the types of the clients from the providers' models: every name, model and parameter."""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from imagequeue.jobs.state import Reason, State
from imagequeue.providers.describe import describe_provider, list_providers
from imagequeue.providers.request import PRIORITIES

HEAD = '''# Written by `make client` from the providers' models.
"""The names, models and parameters that this version of the queue knows, for type checkers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NewType, Required, TypedDict

from .inputs import SubmitOptions

OtherProvider = NewType("OtherProvider", str)
"""The name of a provider that is not known here: of a plug-in, or chosen while the program runs."""

OtherParams = NewType("OtherParams", dict[str, Any])
"""Parameters that are not known here: of a model that is sent `unchecked`, or made as it runs."""


class _Request(SubmitOptions, total=False):
    """What every job may have."""

    prompt: str


class Fallback(TypedDict, total=False):
    """Another provider for the same job."""

    provider: Required[ProviderName | OtherProvider]
    params: Mapping[str, Any]


class OtherRequest(_Request, total=False):
    """A job of a provider that is not known here."""

    provider: Required[OtherProvider]
    action: str
    params: Mapping[str, Any]

'''

TYPES = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
    "object": "Mapping[str, Any]",
}
Fields = dict[str, tuple[str, str]]
"""The type of each parameter, and its description."""


class Params:
    """The parameters of a provider, or of one of its models."""

    def __init__(self, name: str, forms: list[dict[str, Any]]) -> None:
        self.name = name
        self.fields: Fields = {}
        self.required = set.intersection(*(set(form["required"]) for form in forms))
        for form in forms:
            for field, schema in form["properties"].items():
                kind = to_type(schema)
                known = self.fields.get(field, (kind, ""))[0]
                kind = kind if kind == known else f"{known} | {kind}"
                self.fields[field] = (kind, schema.get("description", ""))

    def write(self) -> Iterator[str]:
        """Yield the lines of the type."""
        yield f"class {self.name}(TypedDict, total=False):"
        yield '    """Parameters."""\n'
        for field, (kind, description) in self.fields.items():
            yield f"    {field}: {f'Required[{kind}]' if field in self.required else kind}"
            if description:
                yield f'    """{description}"""'


def to_type(schema: dict[str, Any]) -> str:
    """Return the Python type of a JSON Schema."""
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(map(to_type, schema["anyOf"])))
    if "const" in schema:
        return f"Literal[{schema['const']!r}]"
    if "enum" in schema:
        return f"Literal[{', '.join(map(repr, schema['enum']))}]"
    if schema.get("type") == "array":
        return f"Sequence[{to_type(schema.get('items', {}))}]"
    return TYPES.get(schema.get("type", ""), "Any")


def to_class_name(*parts: str) -> str:
    words = re.findall(r"[a-z0-9]+", " ".join(parts).lower())
    return "".join(word.capitalize() for word in words)


def list_params(provider: str) -> list[Params]:
    """Return the parameters of each model, or of all where the models do not differ."""
    forms: dict[str, list[dict[str, Any]]] = {}
    for request in describe_provider(provider).requests:
        params = request.json_schema["properties"]["params"]
        if not params.get("additionalProperties"):
            forms.setdefault(request.model, []).append(params)
    found: list[Params] = []
    for model, schemas in forms.items():
        params = Params(to_class_name(provider, model or "params"), schemas)
        for other in found:
            if _without_model(other) == _without_model(params):
                kinds = (other.fields["model"][0], params.fields["model"][0])
                other.fields["model"] = (" | ".join(kinds), "")
                break
        else:
            found.append(params)
    return found


def _without_model(params: Params) -> tuple[object, ...]:
    kinds = {field: kind for field, (kind, _) in params.fields.items() if field != "model"}
    return kinds, params.required, "model" in params.fields


def write_catalogue() -> str:
    """Return the module of names and parameters."""
    providers = list_providers()
    actions = dict.fromkeys(action for each in providers for action in each.actions)
    lines = [HEAD]
    lines += [
        f"ProviderName = {to_literal(each.name for each in providers)}",
        f"ActionName = {to_literal(actions)}",
        f"Priority = {to_literal(PRIORITIES)}",
        f"StateName = {to_literal(State)}",
        f"ReasonName = {to_literal(Reason)}",
    ]
    for each in providers:
        types = list_params(each.name)
        for params in types:
            lines += ["\n", *params.write()]
        name = to_class_name(each.name)
        union = " | ".join(params.name for params in types)
        lines += ["\n", f"{name}AnyParams = {union} | OtherParams"]
        lines += [
            f"class {name}Request(_Request, total=False):",
            f'    """A job of {each.name}."""\n',
            f"    provider: Required[Literal[{each.name!r}]]",
            f"    action: {to_literal(each.actions)}",
            f"    params: {_need(each.name, f'{name}AnyParams')}",
        ]
    names = " | ".join(f"{to_class_name(each.name)}Request" for each in providers)
    lines += [f"Request = {names} | OtherRequest"]
    return "\n".join(lines)


def to_literal(names: Any) -> str:
    values = (each.value if isinstance(each, StrEnum) else each for each in names)
    return f"Literal[{', '.join(map(repr, values))}]"


def _need(provider: str, kind: str) -> str:
    return f"Required[{kind}]" if needs_params(provider) else kind


def needs_params(provider: str) -> bool:
    """Return whether every request of a provider has parameters."""
    schemas = (each.json_schema for each in describe_provider(provider).requests)
    return all("params" in schema["required"] for schema in schemas)
