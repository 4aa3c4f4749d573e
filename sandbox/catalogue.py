"""The vendors' models, from the facts in their `models.toml`: what they accept and charge."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from .fields import Fields, is_url

# All that the sandbox shares with what it tests; what reads it is its own.
_VENDORS = Path(__file__).parents[1] / "providers"
UNLISTED_CREDITS = 10
"""The price of a task whose price the vendor does not list."""

_CHECKS: Mapping[str, Callable[[object], bool]] = {
    "text": lambda value: isinstance(value, str),
    "url": is_url,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}

Model = Mapping[str, Any]


@cache
def load_models(vendor: str) -> Mapping[str, Model]:
    """Return the table of each of a vendor's models by its name."""
    text = (_VENDORS / vendor / "models.toml").read_text(encoding="utf-8")
    models: Mapping[str, Model] = tomllib.loads(text)["models"]
    return {name: {**models.get(each.get("like", ""), {}), **each} for name, each in models.items()}


def list_fields(model: Model, *, edit: bool) -> dict[str, dict[str, Any]]:
    """Return the fields of a request for a model, as the vendor spells them."""
    params = {**model.get("params", {}), **(model.get("edit_params", {}) if edit else {})}
    action = "edit" if edit else "generate"
    fields = {
        param.get("send_as", name): param
        for name, param in params.items()
        if action in param.get("actions", (action,))
    }
    if "prompt" in model:
        fields["prompt"] = {"type": "text", "required": True, **model["prompt"]}
    if "images" in model:
        images = {"type": "url", "list": not model["images"].get("single"), "required": True}
        fields[model["images"]["field"]] = images | model["images"]
    return fields


def check_input(model: Model, given: Fields) -> list[str]:
    """Return the URLs of the input images; the first invalid field refuses the request."""
    image_field = model.get("images", {}).get("field")
    images = given.body.get(image_field) or []
    fields = list_fields(model, edit=bool(images))
    for name in given.body:
        if name not in fields:
            raise given.build_refusal(name, "is not a field of this model")
    for name, field in fields.items():
        _check_field(given, name, field)
    names = [image_field if name == "image_urls" else name for name in model.get("one_of", ())]
    if names and sum(name in given.body for name in names) != 1:
        raise given.build_refusal(names[0], f"or {names[1]} is required, not both")
    return images if isinstance(images, list) else [images]


def _check_field(given: Fields, name: str, field: Mapping[str, Any]) -> None:
    value = given.body.get(name)
    if value in (None, "", []):
        if field.get("required"):
            raise given.build_refusal(name, "is required")
        return
    if "enum" in field:
        given.read_choice(name, field["enum"])
        return
    is_list, kind = field.get("list", False), field.get("type", "text")
    check = _CHECKS[kind]
    if not (isinstance(value, list) and all(map(check, value)) if is_list else check(value)):
        raise given.build_refusal(name, f"must be {'a list of ' * is_list}{kind}")
    if not re.fullmatch(field.get("pattern", ".*"), str(value), re.DOTALL):
        raise given.build_refusal(name, f"must match {field['pattern']}")
    size = len(value) if is_list or kind == "text" else value
    if kind not in ("url", "boolean", "list", "object") or is_list:
        if size < field.get("min", size):
            raise given.build_refusal(name, f"must be at least {field['min']}")
        if size > field.get("max", size):
            raise given.build_refusal(name, f"must be at most {field['max']}")


def fill_defaults(model: Model, body: Mapping[str, Any], *, edit: bool) -> dict[str, Any]:
    """Return a request with the vendor's default for each field that is not given."""
    fields = list_fields(model, edit=edit)
    defaults = {name: each["default"] for name, each in fields.items() if "default" in each}
    off = {name: False for name, each in fields.items() if each.get("type") == "boolean"}
    return {**off, **defaults, **body}


def count_images(model: Model, values: Mapping[str, Any]) -> int:
    """Return how many images a task makes."""
    return int(values.get(model.get("count", ""), 1))


def compute_credits(model: Model, values: Mapping[str, Any], input_images: int) -> float:
    """Return the price of a task; where it depends on what nobody chose, the lowest."""
    price = model.get("credits")
    if price is None:
        return UNLISTED_CREDITS
    if not isinstance(price, dict):
        price = {"base": price}
    credit: float = price.get("base", 0) + price.get("per_megapixel", 0)
    for name, prices in price.get("by", {}).items():
        value = values.get(name)
        word = str(value).lower() if isinstance(value, bool) else value
        credit += prices.get(word, min(prices.values()))
    paid_inputs = max(0, input_images - price.get("free_input_images", 0))
    credit += paid_inputs * price.get("per_input_image", 0)
    return round(count_images(model, values) * credit, 6)


def choose_ratio(values: Mapping[str, Any]) -> str:
    """Return the ratio or the pixels that a request asks for, in any spelling; else 1:1."""
    for name in ("aspect_ratio", "image_size", "size"):
        value = str(values.get(name))
        if re.fullmatch(r"\d+[:x*]\d+", value):
            return value.replace("*", "x")
        if found := re.fullmatch(r"(portrait|landscape)_(\d+)_(\d+)", value):
            short, long = sorted((found[2], found[3]), key=int)
            return f"{short}:{long}" if found[1] == "portrait" else f"{long}:{short}"
    return "1:1"
