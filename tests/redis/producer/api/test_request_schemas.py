"""Each request fits the schema of its provider and action in the OpenAPI document, and no other."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from imagequeue.config.settings import Settings
from imagequeue.producer.api.application import create_app
from imagequeue.providers import PROVIDERS


@pytest.fixture
def document(settings: Settings) -> Any:
    return create_app(settings).openapi()


def test_every_provider_and_action_has_a_schema(document: Any) -> None:
    body = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]
    named = [each["$ref"].rpartition("/")[2] for each in body["schema"]["anyOf"]]
    assert len(named) == sum(len(each.actions) for each in PROVIDERS.values())
    assert {"KieEdit", "KieMidjourneyUpscale", "AcedataFluxGenerate"} <= set(named)
    for name in named:
        schema = document["components"]["schemas"][name]
        Draft202012Validator.check_schema(schema)
        assert schema["properties"]["params"]
        assert schema["description"]
    for example in body["examples"].values():
        assert fitting(document, example["value"])


@pytest.mark.parametrize(
    ("request_", "fits"),
    [
        ({"provider": "acedata-flux", "prompt": "a cat"}, ["AcedataFluxGenerate"]),
        ({"provider": "acedata-flux", "prompt": "a cat", "params": {"count": 0}}, []),
        ({"provider": "acedata-flux", "prompt": "a cat", "action": "edit"}, []),
        ({"provider": "acedata-flux", "prompt": "a cat", "size": "1:1"}, []),
        (
            {
                "provider": "kie",
                "action": "edit",
                "prompt": "a hat",
                "image_urls": ["https://a.example/0.png"],
                "params": {"model": "seedream/4.5-edit", "quality": "high"},
                "priority": "low",
            },
            ["KieEdit"],
        ),
        ({"provider": "kie", "prompt": "a cat", "params": {"model": "z-imag"}}, []),
    ],
)
def test_a_request_fits_the_schema_of_its_provider(
    document: Any, request_: dict[str, Any], fits: list[str]
) -> None:
    assert fitting(document, request_) == fits


def fitting(document: Any, request: dict[str, Any]) -> list[str]:
    """The names of the typed requests that a request fits."""
    body = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]
    return [
        each["$ref"].rpartition("/")[2]
        for each in body["schema"]["anyOf"]
        if Draft202012Validator({**document, **each}).is_valid(request)
    ]
