"""Write the types of the parameters of each model, a module for each account of the providers."""

import re
from collections.abc import Iterator
from typing import Any

from imagequeue.providers import PROVIDERS
from imagequeue.providers.account import Account
from imagequeue.providers.describe import describe_provider

HEAD = '''# Written by `make client` from the providers' models.
"""The parameters of each model of the account {}."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Required, TypedDict
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


def write_parameters(account: type[Account]) -> str:
    """Return the module of the parameters of an account's providers."""
    lines = [HEAD.format(account.name)]
    for name, provider in PROVIDERS.items():
        if provider.account is not account:
            continue
        types = list_params(name)
        for params in types:
            lines += ["\n", *params.write()]
        union = " | ".join(params.name for params in types)
        lines += ["\n", f"{to_class_name(name)}KnownParams = {union}"]
    return "\n".join(lines)


def to_class_name(*parts: str) -> str:
    words = re.findall(r"[a-z0-9]+", " ".join(parts).lower())
    return "".join(word.capitalize() for word in words)
