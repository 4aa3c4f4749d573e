"""Requests for the models of a catalogue: the smallest one, the largest one, invalid ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from imagequeue.providers.catalogue import Model, Parameter

# What any request to a provider has to have in its params; this model takes both actions.
REQUIRED_PARAMS: dict[str, dict[str, Any]] = {
    "kie": {"model": "nano-banana-2"},
    "acedata": {"model": "nano-banana-2"},
    "openai-images": {"model": "gpt-image-1"},
}
TEXTS = ("1024x1024", "1024*1024")
URL = "https://a.example/{}.png"
EXAMPLES: dict[str, Any] = {
    "url": URL.format("param"),
    "integer": 3,
    "number": 0.5,
    "boolean": True,
    "list": [1, 2],
    "object": {"hex": "#fff"},
}


def make_value(param: Parameter, *, largest: bool = False) -> Any:
    """Return a valid value, at its upper bound if wanted."""
    if param.enum:
        return param.enum[-1]
    if param.pattern:
        return next(text for text in TEXTS if re.fullmatch(param.pattern, text))
    bound = (param.max if largest else param.min) or 1
    if param.type == "text":
        return "x" * int(bound)
    if param.list:
        return [EXAMPLES[param.type]] * int(bound)
    if param.type in ("integer", "number") and (param.min, param.max) != (None, None):
        return param.max if largest else param.min
    return EXAMPLES[param.type]


def make_request(
    model: Model, action: str, *, largest: bool = False, provider: str = "kie"
) -> dict[str, Any]:
    """Return a valid job request: with what is required alone, or with everything, at its most."""
    params: dict[str, Any] = {"model": model.name}
    request = {"provider": provider, "action": action, "params": params}
    if model.prompt and (largest or model.prompt.required or action == "generate"):
        longest = min(model.prompt.max or 100, 20_000)
        request["prompt"] = "x" * (longest if largest else model.prompt.min)
    if model.images and action == "edit":
        count = (1 if model.images.single else model.images.max or 20) if largest else 1
        request["image_urls"] = [URL.format(n) for n in range(count)]
    for name, param in model.list_params(action).items():
        is_needed = param.required and param.default is None
        if name not in model.one_of and (largest or is_needed):
            params[name] = make_value(param, largest=largest)
    return request


def break_each_bound(
    model: Model, action: str, request: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield requests that break one bound each, and the field that has to be named."""

    def change(name: str, value: Any) -> tuple[str, dict[str, Any]]:
        return f"params.{name}", {**request, "params": {**request["params"], name: value}}

    if model.prompt and model.prompt.max:
        yield "prompt", {**request, "prompt": "x" * (model.prompt.max + 1)}
    if model.prompt and (model.prompt.required or action == "generate"):
        yield "prompt", {**request, "prompt": "x" * (model.prompt.min - 1)}
    if model.prompt is None:
        yield "prompt", {**request, "prompt": "x"}
    if action == "generate" or model.images is None:
        yield "image_urls", {**request, "image_urls": [URL.format(0)]}
    else:
        urls = [URL.format(0)] * ((1 if model.images.single else model.images.max or 64) + 1)
        if model.images.single or model.images.max:
            yield "image_urls", {**request, "image_urls": urls}
        yield "image_urls", {**request, "image_urls": []}
        yield "image_urls.0", {**request, "image_urls": ["ftp://a.example/0.png"]}
    yield change("no_such_parameter", 1)
    for name, param in model.list_params(action).items():
        yield from (change(name, value) for value in _list_invalid(param))
        if param.required and param.default is None:
            rest = {key: value for key, value in request["params"].items() if key != name}
            yield f"params.{name}", {**request, "params": rest}


def _list_invalid(param: Parameter) -> Iterator[Any]:
    yield {"of": "another type"} if param.type != "object" else "of another type"
    if param.enum:
        yield f"not {param.enum[0]}"
    elif param.type == "text":
        if param.pattern:
            yield "no such size"
        if param.max:
            yield "x" * (int(param.max) + 1)
    elif param.list:
        if param.max:
            yield [EXAMPLES[param.type]] * (int(param.max) + 1)
        if param.min:
            yield [EXAMPLES[param.type]] * (int(param.min) - 1)
    else:
        if param.max is not None:
            yield param.max + 1
        if param.min is not None:
            yield param.min - 1
