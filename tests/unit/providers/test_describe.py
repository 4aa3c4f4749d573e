"""Providers are described as JSON Schema that agrees with what they accept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from imagequeue.errors import InvalidRequestError
from imagequeue.producer.cli.main import cli
from imagequeue.providers import PROVIDERS
from imagequeue.providers.catalogue import load_models
from imagequeue.providers.describe import describe_provider, list_providers
from support.catalogues import make_request


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["providers", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_request_is_described(name: str) -> None:
    details = describe_provider(name)
    assert {each.action for each in details.requests} == set(PROVIDERS[name].actions)
    for request in details.requests[::8]:  # it is slow, and they are made alike
        Draft202012Validator.check_schema(request.json_schema)
    for request in details.requests:
        properties = request.json_schema["properties"]
        assert properties["provider"] == {"const": name}
        assert properties["action"] == {"const": request.action}
        assert request.title
        for field, schema in properties["params"]["properties"].items():
            assert schema.get("description"), field


def test_valid_requests_fit_their_schema_and_others_do_not() -> None:
    for request in describe_provider("kie").requests:
        if not request.model:
            continue
        validator = Draft202012Validator(request.json_schema)
        model = load_models("imagequeue.providers.kie")[request.model]
        for largest in (False, True):
            made = make_request(model, request.action, largest=largest)
            validator.validate(made)
            made["params"]["no_such_parameter"] = 1
            assert not validator.is_valid(made)


def test_providers_are_listed_with_their_models() -> None:
    assert [(each.name, each.models) for each in list_providers()] == [
        ("kie", 61),
        ("kie-flux-kontext", 2),
        ("kie-midjourney", 0),
        ("acedata-flux", 8),
        ("acedata", 32),
        ("openai-images", 0),
    ]
    assert run().splitlines()[0].split() == ["kie", "generate,", "edit", "61", "models"]
    assert json.loads(run("--json"))[0] == {
        "name": "kie",
        "actions": ["generate", "edit"],
        "models": 61,
    }


def test_models_are_listed_with_action_and_price() -> None:
    lines = run("kie").splitlines()
    assert len(lines) == 62
    assert "seedream/4.5-edit                      edit            6.5 credits" in lines
    assert any("generate, edit  8 to 18 credits by resolution" in line for line in lines)
    assert lines[-1].split(maxsplit=1) == ["(unchecked)", "generate, edit  price not listed"]


def test_model_shows_its_parameters_with_their_bounds() -> None:
    output = run("kie", "qwen/image-edit")
    assert output.startswith("edit  qwen/image-edit  Qwen - Image Edit  5 credits a megapixel")
    for words in (
        "prompt                        string, up to 2000 characters, required.",
        "image_urls                    list of string, exactly 1, required.",
        "params.acceleration           none | regular | high, default none.",
        "params.guidance_scale         number, 0 to 20, default 4.",
        "params.nsfw_checker           boolean. Check the result",
    ):
        assert words in output


def test_json_of_a_model_is_its_schema_and_price() -> None:
    (request,) = json.loads(run("kie", "seedream/5-pro-image-to-image", "--json"))["requests"]
    assert request["credits"] == {
        "by": {"quality": {"basic": 7, "high": 14}},
        "per_input_image": 0.5,
        "free_input_images": 1,
    }
    assert request["schema"]["properties"]["image_urls"]["maxItems"] == 10
    assert request["schema"]["required"] == [
        "provider", "action", "prompt", "image_urls", "params",
    ]  # fmt: skip


def test_task_may_be_named_by_its_job() -> None:
    (request,) = [r for r in describe_provider("kie-midjourney").requests if r.action == "upscale"]
    validator = Draft202012Validator(request.json_schema)
    made = {"provider": "kie-midjourney", "action": "upscale"}
    for params, is_valid in (({"task_id": "t"}, True), ({"job": "job_1"}, True), ({}, False)):
        assert validator.is_valid({**made, "params": {"image_index": 1, **params}}) is is_valid


def test_price_in_words() -> None:
    prices = {each.model: each.price for each in describe_provider("kie").requests}
    assert prices["wan/2-7-image"] == "4.8 credits an image"
    assert prices["qwen3/image-to-image"] == "4.8 credits + 0.5 for each input image"
    assert prices["bytedance/seedream"] == ""


@pytest.mark.parametrize(
    ("provider", "model", "words"),
    [
        ("kie", "seedream/4.5-edti", "did you mean seedream/4.5-edit"),
        ("acedata-flux", "flux-3", "did you mean flux-"),
        ("kie-midjourney", "7", "this provider has none"),
        ("dall-e", "3", "unknown provider"),
    ],
)
def test_unknown_name_is_refused(provider: str, model: str, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        describe_provider(provider, model)


def test_model_without_a_catalogue_shows_its_requests() -> None:
    found: list[Any] = describe_provider("acedata-flux", "flux-dev").requests
    assert [each.action for each in found] == ["generate", "edit"]
