"""Requests made from a request model's JSON Schema: valid ones, and ones that break a bound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...errors import InvalidRequestError
from ..base import Provider, Request, RequestForm
from ..request import TOP_LEVEL

Schema = Mapping[str, Any]
MAX_TEXT = 20_000
IMAGE_URL = "https://images.example/{}.png"
PROMPT = "a cat on a red chair"


@dataclass(frozen=True)
class Sample:
    """A request for a job, as a provider validates it."""

    action: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    """`prompt`, `image_urls` and the params, all in one."""

    @property
    def params(self) -> dict[str, Any]:
        """The fields that stand in a job request's `params`."""
        return {name: value for name, value in self.fields.items() if name not in TOP_LEVEL}

    def validate(self, provider: Provider) -> Request:
        """Return the typed request; raises InvalidRequestError."""
        prompt, urls = self.fields.get("prompt", ""), self.fields.get("image_urls", ())
        return provider.validate_request(self.action, prompt, urls, self.params)

    def having(self, **fields: Any) -> Sample:
        """Return the request with other values."""
        return replace(self, fields={**self.fields, **fields})


def make_sample(provider: Provider, form: RequestForm) -> Sample | None:
    """Return a valid request of a form; None if none of those that are tried is valid."""
    schema = form.type.model_json_schema()
    properties = {n: _resolve(each, schema) for n, each in schema["properties"].items()}
    required = set(schema.get("required", ()))
    # Some requests need exactly one of several parameters.
    choices = [required | {name} for name in properties]
    few = [required, required | {"prompt"}, required | {*TOP_LEVEL}]
    for names in (*few, {*properties}, *choices):
        fields = {
            name: make_value(name, each) for name, each in properties.items() if name in names
        }
        if form.model:
            fields["model"] = form.model
        try:
            (sample := Sample(form.action, fields)).validate(provider)
        except InvalidRequestError:
            continue
        return sample
    return None


def make_value(name: str, schema: Schema) -> Any:
    """Return a valid value of a field."""
    schema = _first_option(schema)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    if name == "prompt":
        longest = schema.get("maxLength", MAX_TEXT)
        return PROMPT.ljust(schema.get("minLength", 0), "x")[:longest]
    match schema.get("type"):
        case "string":
            return (IMAGE_URL.format(name) + "x" * schema.get("minLength", 0))[
                : schema.get("maxLength", MAX_TEXT)
            ]
        case "integer" | "number":
            return schema.get("minimum", schema.get("maximum", 1))
        case "boolean":
            return True
        case "array":
            items = [make_value("", schema.get("items", {}))] * max(schema.get("minItems", 1), 1)
            urls = [IMAGE_URL.format(at) for at in range(len(items))]
            return urls if name == "image_urls" else items
    return {}


def break_bounds(sample: Sample, form: RequestForm) -> Iterator[tuple[str, Sample]]:
    """Yield requests with one invalid value each, and the field that its refusal has to name."""
    schema = form.type.model_json_schema()
    properties = {n: _resolve(each, schema) for n, each in schema["properties"].items()}
    for name, each in properties.items():
        path = name if name in TOP_LEVEL else f"params.{name}"
        if name in ("model", "unchecked") and form.model + form.title:
            continue  # they choose the model of the request
        for value in _list_invalid(name, each):
            yield path, sample.having(**{name: value})
    if "image_urls" in properties:
        yield "image_urls.0", sample.having(image_urls=["ftp://images.example/0.png"])
    else:
        yield "image_urls", sample.having(image_urls=[IMAGE_URL.format(0)])
    if "prompt" not in properties:
        yield "prompt", sample.having(prompt=PROMPT)
    if not schema.get("additionalProperties", True):
        yield "params.no_such_parameter", sample.having(no_such_parameter=1)


def _list_invalid(name: str, schema: Schema) -> Iterator[Any]:
    options = schema.get("anyOf")
    if options and len([each for each in options if each.get("type") != "null"]) > 1:
        yield {"of": "another type"}
        return
    schema = _first_option(schema)
    is_text = schema.get("type") == "string" or "enum" in schema
    if name not in TOP_LEVEL and schema.get("type") not in (None, "object"):
        yield {"of": "another type"}
    if "enum" in schema or "const" in schema:
        yield "no such choice" if is_text or "const" in schema else -987_654
        return
    if schema.get("maxLength", MAX_TEXT) < MAX_TEXT:
        yield "x" * (schema["maxLength"] + 1)
    if name == "prompt" and schema.get("minLength"):
        yield "x" * (schema["minLength"] - 1)
    if "maximum" in schema:
        yield schema["maximum"] + 1
    if "minimum" in schema:
        yield schema["minimum"] - 1
    if "maxItems" in schema:
        yield [IMAGE_URL.format(at) for at in range(schema["maxItems"] + 1)]


def _first_option(schema: Schema) -> Schema:
    options = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    return _first_option(options[0]) if options else schema


def _resolve(schema: Schema, whole: Schema) -> Schema:
    """Return a field's schema with what it refers to in its place."""
    name = schema.get("$ref", "").removeprefix("#/$defs/")
    return {**whole["$defs"][name], **schema} if name else schema
