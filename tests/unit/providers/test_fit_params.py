"""Parameters that many APIs have in common, fitted to those of a model."""

from typing import Any

import pytest

from imagequeue.errors import InvalidRequestError
from imagequeue.providers import PROVIDERS
from imagequeue.providers.fit_params import fit_count, fit_size, fit_value, parse_text
from imagequeue.providers.model_names import (
    ACTIONS,
    UnknownModelError,
    list_model_names,
    parse_model_name,
)

RATIOS = {"aspect_ratio": {"anyOf": [{"enum": ["1:1", "3:2", "auto"]}, {"type": "null"}]}}
WORDS = {"image_size": {"enum": ["square", "square_hd", "portrait_3_2", "landscape_16_9"]}}
PATTERN = {"size": {"type": "string", "pattern": "^(?:(2K|[0-9]+x[0-9]+))$"}}
STARS = {"size": {"type": "string", "pattern": "^(?:[0-9]+[*][0-9]+)$"}}
SIDES = {"width": {"type": "integer"}, "height": {"type": "integer"}}
PIXELS = {"size": {"enum": ["1024x1024", "1:1", "16:9"]}}


@pytest.mark.parametrize(
    ("properties", "size", "fitted"),
    [
        (PIXELS, "1024x1024", {"size": "1024x1024"}),
        (PIXELS, "512x512", {"size": "1:1"}),
        (PIXELS, "1600x900", {"size": "16:9"}),
        (PATTERN, "1536x1024", {"size": "1536x1024"}),
        (PATTERN, "2K", {"size": "2K"}),
        (STARS, "1536x1024", {"size": "1536*1024"}),
        (SIDES, "1536x1024", {"width": 1536, "height": 1024}),
        (RATIOS, "1536x1024", {"aspect_ratio": "3:2"}),
        (RATIOS, "auto", {"aspect_ratio": "auto"}),
        (WORDS, "1024x1024", {"image_size": "square_hd"}),
        (WORDS, "1024x1536", {"image_size": "portrait_3_2"}),
        (WORDS, "1920x1080", {"image_size": "landscape_16_9"}),
        (WORDS, "auto", {}),
        ({}, "auto", {}),
    ],
)
def test_size_becomes_what_the_model_takes(
    properties: dict[str, Any], size: str, fitted: dict[str, object]
) -> None:
    assert fit_size(properties, size) == fitted


@pytest.mark.parametrize(
    ("properties", "size", "words"),
    [
        (RATIOS, "1792x1024", "takes 1:1, 3:2, auto"),
        (RATIOS, "large", "takes 1:1, 3:2, auto"),
        (PATTERN, "large", "2K|[0-9]+x[0-9]+"),
        ({}, "1024x1024", "takes none"),
        (RATIOS, "0x0", "takes 1:1"),
    ],
)
def test_size_that_the_model_has_not_is_refused(
    properties: dict[str, Any], size: str, words: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        fit_size(properties, size)
    (problem,) = caught.value.problems
    assert problem.field == "size"
    assert words in problem.message


def test_value_is_passed_spelled_or_left_out() -> None:
    formats = {"output_format": {"enum": ["png", "jpg"]}, "quality": {"enum": ["basic", "high"]}}
    assert fit_value(formats, "output_format", "jpeg") == {"output_format": "jpg"}
    assert fit_value(formats, "quality", "high") == {"quality": "high"}
    assert fit_value(formats, "quality", "standard") == {}
    assert fit_value(formats, "background", "auto") == {}
    with pytest.raises(InvalidRequestError, match="background: the model has no such parameter"):
        fit_value(formats, "background", "opaque")


def test_count_has_the_type_of_the_model() -> None:
    assert fit_count({"n": {"type": "integer"}}, "n", 2) == {"n": 2}
    assert fit_count({"n": {"enum": ["1", "2"]}}, "n", 2) == {"n": "2"}


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "integer"}, "7", 7),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, "true", True),
        ({"type": "array"}, "[1, 2]", [1, 2]),
        ({"type": "string"}, "7", "7"),
        ({"type": "integer"}, "seven", "seven"),
        ({}, "7", "7"),
    ],
)
def test_text_of_a_form_gets_the_type_of_the_parameter(
    schema: dict[str, Any], text: str, value: object
) -> None:
    assert parse_text({"seed": schema}, "seed", text) == value


def test_every_name_of_a_model_can_be_requested() -> None:
    for name in list_model_names():
        provider, model = parse_model_name(name)
        actions = {*PROVIDERS[provider].actions} & {*ACTIONS}
        assert actions, name
        params = {"model": model} if model else {}
        found = 0
        for action in actions:
            try:
                fields = PROVIDERS[provider].find_request_type(action, params).model_fields
            except InvalidRequestError:
                continue
            found += 1
            count = PROVIDERS[provider].find_count_param(action, params)
            assert not count or count in fields
        assert found, name


def test_unchecked_model_needs_no_known_name() -> None:
    assert parse_model_name("kie/brand-new", unchecked=True) == ("kie", "brand-new")
    with pytest.raises(UnknownModelError, match="no model kie/brand-new"):
        parse_model_name("kie/brand-new")


def test_known_counts_are_declared() -> None:
    counts = {
        ("acedata-flux", ""): "count",
        ("openai-images", "any"): "n",
        ("kie", "z-image"): "",
        ("acedata", "flux-dev"): "count",
    }
    for (provider, model), count in counts.items():
        params = {"model": model} if model else {}
        assert PROVIDERS[provider].find_count_param("generate", params) == count
    assert PROVIDERS["acedata-flux"].find_count_param("edit", {}) == ""
