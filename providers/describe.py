"""What each provider takes, as JSON Schema of the job requests that it accepts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel, Field

from ..errors import InvalidRequestError, Problem
from ..suggest import suggest
from . import PROVIDERS, get
from .base import JOB_PARAM, TASK_PARAM, RequestForm
from .request import TOP_LEVEL

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class ProviderSummary(BaseModel):
    """A provider, its actions, and the number of its models."""

    name: str
    actions: list[str]
    models: int = Field(description="0 if its requests name no model.")


class RequestDetails(BaseModel):
    """One kind of request: of an action, and of a model where the models differ."""

    action: str
    model: str = Field(description="Empty if the request's schema holds for every model.")
    title: str
    price: str = Field(description="In words; empty if it is not known.")
    credits: Any = Field(
        None, description="The price in the vendor's credits: a number, or what it depends on."
    )
    json_schema: dict[str, Any] = Field(
        serialization_alias="schema",
        description="JSON Schema of the body of `POST /v1/jobs`.",
    )


class ProviderDetails(ProviderSummary):
    """A provider and everything that it takes."""

    requests: list[RequestDetails]


def list_providers() -> list[ProviderSummary]:
    """Return every provider."""
    return [_summarize(name) for name in PROVIDERS]


def describe_provider(name: str, model: str | None = None) -> ProviderDetails:
    """Return a provider with its requests, or those for one model; raises InvalidRequestError."""
    requests = _describe_requests(name, model)
    return ProviderDetails(**_summarize(name).model_dump(), requests=requests)


@cache
def _summarize(name: str) -> ProviderSummary:
    provider = get(name)
    models = _list_models(provider.list_forms())
    return ProviderSummary(name=name, actions=list(provider.actions), models=len(models))


def _list_models(forms: Iterable[RequestForm]) -> dict[str, None]:
    """Return the models that forms are for, or that their parameter `model` can name."""
    models: dict[str, None] = {}
    for form in forms:
        field = form.type.model_fields.get("model")
        models |= dict.fromkeys(get_args(field.annotation) if field else ())
    return models


@cache
def _describe_requests(name: str, model: str | None) -> list[RequestDetails]:
    forms = list(get(name).list_forms())
    if model is not None:
        _require_known(model, _list_models(forms))
        forms = [each for each in forms if each.model == model] or forms
    return [
        RequestDetails(
            action=form.action,
            model=form.model,
            title=form.title or (form.type.__doc__ or "").partition("\n")[0],
            price=form.price,
            credits=form.credits,
            json_schema=_build_schema(name, form),
        )
        for form in forms
    ]


def _require_known(model: str, models: Iterable[str]) -> None:
    names = list(models)
    if model not in names:
        known = f"there are {', '.join(names[:3])}" if names else "this provider has none"
        advice = suggest(model, names, count=3) or known
        raise InvalidRequestError([Problem("model", f"unknown model; {advice}")])


def _build_schema(name: str, form: RequestForm) -> dict[str, Any]:
    """Return the schema of a job request; a request type has the `params` beside the prompt."""
    flat = form.type.model_json_schema()
    properties = {key: _without_title(each) for key, each in flat["properties"].items()}
    required = flat.get("required", [])
    params = {key: each for key, each in properties.items() if key not in TOP_LEVEL}
    needed = [key for key in required if key in params]
    return {
        "$schema": _DIALECT,
        "type": "object",
        "properties": {
            "provider": {"const": name},
            "action": {"const": form.action},
            **{key: properties[key] for key in TOP_LEVEL if key in properties},
            "params": {
                "type": "object",
                "properties": params,
                "required": needed,
                "additionalProperties": flat.get("additionalProperties", False),
                **(_take_job(params, needed) if TASK_PARAM in params else {}),
            },
        },
        "required": [
            "provider",
            "action",
            *(key for key in TOP_LEVEL if key in required),
            *(["params"] if needed else []),
        ],
        **{key: flat[key] for key in flat if key == "$defs"},
    }


def _take_job(params: dict[str, Any], needed: list[str]) -> dict[str, Any]:
    """Return what lets `params` name a job in place of its task."""
    description = f"The id of a job, to go on with its task in place of `{TASK_PARAM}`."
    taken = {**params, JOB_PARAM: {"type": "string", "description": description}}
    if TASK_PARAM not in needed:
        return {"properties": taken}
    return {
        "properties": taken,
        "required": [name for name in needed if name != TASK_PARAM],
        "oneOf": [{"required": [TASK_PARAM]}, {"required": [JOB_PARAM]}],
    }


def _without_title(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "title"}
