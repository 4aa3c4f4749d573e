"""Fit parameters that many image APIs have in common to those of one model, by its JSON schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from ..errors import InvalidRequestError, Problem
from ..suggest import suggest

SIZE_PARAMS = ("size", "image_size", "aspect_ratio")
MASK_PARAMS = ("mask_url", "mask")
# What most APIs do anyway: without effect where a model has no such parameter or value.
DEFAULTS: tuple[object, ...] = ("auto", "standard")
_SPELLINGS = {"jpeg": "jpg", "jpg": "jpeg"}
_PIXELS = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")
_NAMED_RATIO = re.compile(r"(portrait|landscape)_([0-9]+)_([0-9]+)")

Properties = Mapping[str, Any]
"""The JSON schemas of a model's parameters, by their names."""


def fit_size(properties: Properties, size: str) -> dict[str, object]:
    """Return the parameters for a size such as `1024x1024` or `auto`.

    A ratio stands for pixels only if it is exactly theirs. Raises InvalidRequestError that lists
    the model's values.
    """
    own = [name for name in SIZE_PARAMS if name in properties]
    for spelling in (size, size.replace("x", "*")):
        for name in own:
            if _accepts(properties[name], spelling):
                return {name: spelling}
    if size in DEFAULTS:
        return {}
    if pixels := _PIXELS.fullmatch(size):
        width, height = map(int, pixels.groups())
        if {"width", "height"} <= properties.keys():
            return {"width": width, "height": height}
        for name in own:
            fitting = [
                value
                for value in _list_values(properties[name])
                if _parse_ratio(value) == Fraction(width, height)
            ]
            if fitting:
                return {name: fitting[-1]}  # the larger of two of the same shape comes second
    raise InvalidRequestError([Problem("size", _describe_sizes(properties, own))])


def _describe_sizes(properties: Properties, own: list[str]) -> str:
    if not own:
        return "the model takes none: leave it out, or send auto"
    values = [str(value) for name in own for value in _list_values(properties[name])]
    patterns = [
        each["pattern"]
        for name in own
        for each in _list_choices(properties[name])
        if "pattern" in each
    ]
    taken = ", ".join(values) or f"what matches {' or '.join(patterns)}"
    return f"the model takes {taken}, or pixels of exactly such a ratio; auto is its default"


def fit_value(properties: Properties, name: str, value: object) -> dict[str, object]:
    """Return the parameter of the same name, or none for a default that the model has not.

    Raises InvalidRequestError if the model has no such parameter.
    """
    if name not in properties:
        if value in DEFAULTS:
            return {}
        advice = suggest(name, properties) or f"it takes {', '.join(properties) or 'none'}"
        words = f"the model has no such parameter: leave it out; {advice}"
        raise InvalidRequestError([Problem(name, words)])
    values = _list_values(properties[name])
    if isinstance(value, str) and values and value not in values:
        if value in DEFAULTS:
            return {}
        if (other := _SPELLINGS.get(value)) in values:
            return {name: other}
    return {name: value}


def fit_count(properties: Properties, name: str, count: int) -> dict[str, object]:
    """Return the parameter with a number of images; some models take it as a text."""
    return {name: str(count) if str(count) in _list_values(properties[name]) else count}


def find_mask_param(properties: Properties) -> str | None:
    """Return the parameter that takes the URL of a mask, if there is one."""
    return next((name for name in MASK_PARAMS if name in properties), None)


def parse_text(properties: Properties, name: str, text: str) -> object:
    """Return the value of a parameter that came as a text, in a form: a number, or JSON."""
    kinds = {each.get("type") for each in _list_choices(properties.get(name, {}))}
    if "string" in kinds or not kinds - {"null", None}:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text  # the model's own validation says what it takes


def _accepts(schema: Mapping[str, Any], text: str) -> bool:
    return text in _list_values(schema) or any(
        each.get("type") == "string"
        and not {"enum", "const"} & each.keys()
        and re.search(each.get("pattern", ""), text)
        for each in _list_choices(schema)
    )


def _list_values(schema: Mapping[str, Any]) -> list[Any]:
    """Return the values that a parameter can have; empty if it has any of a type."""
    return [
        value
        for each in _list_choices(schema)
        for value in each.get("enum", [each["const"]] if "const" in each else [])
    ]


def _list_choices(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from schema.get("anyOf", [schema])


def _parse_ratio(value: object) -> Fraction | None:
    """Return the ratio of width to height that a value names, as `16:9` or `landscape_16_9`."""
    text = str(value)
    if text in ("square", "square_hd"):
        return Fraction(1)
    if named := _NAMED_RATIO.fullmatch(text):
        ratio = Fraction(int(named[2]), int(named[3]))
        return max(ratio, 1 / ratio) if named[1] == "landscape" else min(ratio, 1 / ratio)
    width, colon, height = text.partition(":")
    is_ratio = colon and width.isdecimal() and height.isdecimal() and int(height)
    return Fraction(int(width), int(height)) if is_ratio else None
