"""OpenAI's requests for images as job requests, by what the model declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from ...errors import InvalidRequestError, Problem
from ...providers import get as get_provider
from ...providers.base import Request
from ...providers.fit_params import (
    find_mask_param,
    fit_count,
    fit_size,
    fit_value,
    parse_text,
)
from ...providers.model_names import UnknownModelError, parse_model_name
from ...providers.request import TOP_LEVEL
from .body import ImageRequest
from .errors import refuse

# Without effect on the images: a person's id, and how the answer is sent.
IGNORED = {"safety_identifier": "user", "partial_images": ""}


def translate(
    body: ImageRequest,
    action: str,
    image_urls: Sequence[str] = (),
    mask: str | None = None,
    *,
    is_form: bool = False,
) -> list[dict[str, Any]]:
    """Return the job requests for all images that are asked for: one, if the model counts them.

    `mask` is the id of an upload. The values of a form are texts. Raises OpenAIError, or
    InvalidRequestError.
    """
    try:
        name = parse_model_name(body.model, unchecked=body.params.get("unchecked") is True)
    except UnknownModelError as error:
        raise refuse(str(error), "model", "model_not_found", 404) from None
    provider, given = get_provider(name.provider), name.params | body.params
    properties = describe_params(_find_type(provider, action, given))
    others = {each: value for each, value in body.others.items() if each not in IGNORED}
    params = {**body.params}
    if is_form:
        others = _parse_texts(properties, others)
        params = _parse_texts(properties, params)
    fitted: dict[str, Any] = fit_size(properties, body.size) if body.size else {}
    for other, value in others.items():
        fitted |= fit_value(properties, other, value)
    if mask:
        fitted |= _fit_mask(properties, mask)
    count_param, count = provider.find_count_param(action, given), body.n or 1
    if count_param:
        fitted |= fit_count(properties, count_param, count)
    fields = {
        **body.job_fields,
        "provider": name.provider,
        "action": action,
        "prompt": body.prompt,
        "image_urls": list(image_urls),
        "params": {**fitted, **name.params, **params},
        "metadata": _describe_user(body) | body.metadata,
        "priority": body.priority,
    }
    return [fields] * (1 if count_param else count)


def _find_type(provider: Any, action: str, params: Mapping[str, Any]) -> type[Request]:
    try:
        found: type[Request] = provider.find_request_type(action, params)
    except InvalidRequestError as error:
        problems = [Problem("model", each.message) for each in error.problems]
        raise InvalidRequestError(problems) from None
    return found


@cache
def describe_params(kind: type[Request]) -> Mapping[str, Any]:
    """Return the JSON schemas of the parameters of a request type, by their names."""
    properties = kind.model_json_schema()["properties"]
    return {name: each for name, each in properties.items() if name not in (*TOP_LEVEL, "model")}


def _parse_texts(properties: Mapping[str, Any], texts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: parse_text(properties, name, value) if isinstance(value, str) else value
        for name, value in texts.items()
    }


def _fit_mask(properties: Mapping[str, Any], upload: str) -> dict[str, object]:
    if param := find_mask_param(properties):
        return {param: upload}
    raise InvalidRequestError([Problem("mask", "the model takes no mask: leave it out")])


def _describe_user(body: ImageRequest) -> dict[str, Any]:
    extra = body.model_extra or {}
    user = extra.get("safety_identifier") or body.user
    return {"user": user} if user else {}
