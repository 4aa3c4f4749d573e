"""The OpenAPI document, with a schema of the request for each provider and action."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from fastapi import FastAPI

from ...providers import PROVIDERS
from ...providers.describe import RequestDetails, describe_provider
from ...providers.request import TOP_LEVEL
from .job_form import FORM_BODY
from .problems import build_problem_schemas

DEFAULT_ACTION = "generate"
OPENAI_TAG = "openai"

Schema = dict[str, Any]


class DocumentedAPI(FastAPI):
    """An API whose requests for jobs are described by their providers."""

    def openapi(self) -> Schema:
        """Return the document, built when it is first asked for."""
        if not self.openapi_schema:
            document = super().openapi()
            _leave_out_invalid(document)
            schemas = document["components"]["schemas"]
            requests = build_request_schemas(schemas["JobRequest"])
            schemas |= requests | build_problem_schemas()
            body = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]
            references = [{"$ref": f"#/components/schemas/{name}"} for name in requests]
            body["application/json"]["schema"] = {"anyOf": references}
            body["multipart/form-data"] = FORM_BODY
        return self.openapi_schema or {}


def build_request_schemas(any_request: Schema) -> dict[str, Schema]:
    """Return the schema of each provider's requests for an action, such as `KieEdit`.

    `any_request` is the schema of what a job request of any provider may have.
    """
    schemas = {}
    for name in PROVIDERS:
        described = describe_provider(name)
        for action in described.actions:
            forms = [each for each in described.requests if each.action == action]
            title = "".join(word.title() for word in f"{name}-{action}".split("-"))
            description = f"`{action}` of `{name}`."
            merged = {**_merge(any_request, forms), "title": title, "description": description}
            schemas[title] = _relocate(merged, f"#/components/schemas/{title}/$defs/")
    return schemas


def _merge(any_request: Schema, forms: Sequence[RequestDetails]) -> Schema:
    """Return one schema of the requests of an action; its `params` are those of any model."""
    own = [each.json_schema for each in forms]
    names = {name for schema in own for name in schema["properties"]}
    properties = {n: p for n, p in any_request["properties"].items() if n not in TOP_LEVEL}
    for name in names - {"params"}:
        properties[name] = _any_of(s["properties"][name] for s in own if name in s["properties"])
    properties["params"] = _any_of(
        {"title": f"{each.model} {each.title}".strip(), **each.json_schema["properties"]["params"]}
        for each in forms
    )
    required = set.intersection(*(set(schema["required"]) for schema in own))
    if forms[0].action == DEFAULT_ACTION:
        required.discard("action")
    merged = {**any_request, "properties": properties, "required": sorted(required)}
    shared = {name: each for schema in own for name, each in schema.get("$defs", {}).items()}
    return merged | ({"$defs": shared} if shared else {})


def _relocate(schema: Schema, to: str) -> Schema:
    """Return a schema with its references into its own `$defs` seen from the whole document."""
    relocated: Schema = json.loads(json.dumps(schema).replace('"#/$defs/', f'"{to}'))
    return relocated


def _any_of(schemas: Iterable[Schema]) -> Schema:
    different: list[Schema] = []
    for schema in schemas:
        if schema not in different:
            different.append(schema)
    return different[0] if len(different) == 1 else {"anyOf": different}


def _leave_out_invalid(document: Schema) -> None:
    """Leave out FastAPI's own description of 422, which the endpoints for SDKs never answer."""
    for path in document["paths"].values():
        for operation in path.values():
            if OPENAI_TAG in operation.get("tags", ()):
                operation["responses"].pop("422", None)
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
