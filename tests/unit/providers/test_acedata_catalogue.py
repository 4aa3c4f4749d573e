"""Every model of AceData's catalogue is sent to its service, in that service's field names."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from imagequeue.config.settings import read_settings
from imagequeue.errors import ConfigError, InvalidRequestError
from imagequeue.jobs.build import build_job
from imagequeue.jobs.job import utc_now
from imagequeue.providers import PROVIDERS, get, list_services
from imagequeue.providers.catalogue import load_models
from imagequeue.providers.request import parse_request
from imagequeue.store.submit.places import get_quota
from support.catalogues import URL, break_each_bound, make_request

MODELS = load_models("imagequeue.providers.acedata")
BACK = "https://example.com/callbacks/1"
PATHS = {
    "flux": ("/flux/images", "/flux/images"),
    "midjourney": ("/midjourney/imagine", "/midjourney/edits"),
    "nano-banana": ("/nano-banana/images", "/nano-banana/images"),
    "openai": ("/openai/images/generations", "/openai/images/edits"),
    "qwen-image": ("/qwen-image/images", "/qwen-image/images"),
    "seedream": ("/seedream/images", "/seedream/images"),
}


def build(request: dict[str, Any], callback_url: str | None = None) -> tuple[str, Any]:
    """Return the path and the body of a submission."""
    provider = get("acedata", request["params"])
    checked = provider.validate_request(
        request.get("action", "generate"),
        request.get("prompt", ""),
        request.get("image_urls", ()),
        request["params"],
    )
    sent = provider.build_submit_request(checked, callback_url, provider.api_versions[0])
    assert sent.method == "POST"
    return sent.path, sent.body


def find_problems(request: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequestError) as caught:
        build(request)
    return {problem.field: problem.message for problem in caught.value.problems}


def to_body(name: str, request: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a request as the service's documentation spells it."""
    model = MODELS[name]
    body = {**request["params"], "prompt": request["prompt"]}
    if model.service == "midjourney":
        del body["model"]
    if model.service in ("flux", "nano-banana"):
        body["action"] = request["action"]
    if "image_urls" in request:
        assert model.images
        urls = request["image_urls"]
        body[model.images.field] = urls[0] if model.images.single else urls
    return body


@pytest.mark.parametrize("name", MODELS)
def test_model_takes_what_it_documents_and_no_more(name: str) -> None:
    model = MODELS[name]
    for action in model.actions:
        path = PATHS[model.service][action == "edit"]
        least = make_request(model, action, provider="acedata")
        assert build(least) == (path, to_body(name, least) | {"async": True})
        most = make_request(model, action, provider="acedata", largest=True)
        assert build(most, BACK) == (path, to_body(name, most) | {"callback_url": BACK})
        for field, request in break_each_bound(model, action, least):
            assert list(find_problems(request)) == [field], request


def test_catalogue_holds_every_service() -> None:
    assert len(MODELS) == 32
    assert {model.service for model in MODELS.values()} == set(PATHS)
    assert {each.service for each in PROVIDERS["acedata"].services} == set(PATHS)


def test_model_like_another_differs_in_what_it_says() -> None:
    own, other = MODELS["gpt-image-2:official"], MODELS["gpt-image-2"]
    assert own.params == other.params
    assert (own.name, own.title) == ("gpt-image-2:official", "GPT Image 2, official channel")


@pytest.mark.parametrize(
    ("params", "path", "body"),
    [
        ({"service": "flux", "model": "flux-3"}, "/flux/images", {"model": "flux-3"}),
        ({"service": "midjourney"}, "/midjourney/imagine", {}),
        ({"service": "openai", "model": "gpt-image-2"}, "/openai/images/generations", None),
    ],
)
def test_unchecked_request_names_its_service(
    params: dict[str, Any], path: str, body: dict[str, Any] | None
) -> None:
    sent, fields = build({"prompt": "a cat", "params": params | {"unchecked": True, "x": [1]}})
    assert sent == path
    if path.startswith("/flux"):
        assert fields.pop("action") == "generate"
    body = {"model": "gpt-image-2"} if body is None else body
    assert fields == {"prompt": "a cat", "x": [1], "async": True, **body}


@pytest.mark.parametrize("service", [None, "suno", ["flux"]])
def test_unchecked_request_without_a_known_service_is_refused(service: object) -> None:
    params = {"model": "flux-3", "unchecked": True, "service": service}
    assert list(find_problems({"prompt": "a cat", "params": params})) == ["params.service"]


@pytest.mark.parametrize("service", PATHS)
def test_tasks_are_looked_up_at_the_service_of_the_model(service: str) -> None:
    model = next(each.name for each in MODELS.values() if each.service == service)
    provider = get("acedata", {"model": model})
    assert provider.build_status_request("t1", "v1").path == f"/{service}/tasks"


def build_one(model: str, **settings: str) -> str:
    """Return the quota of a job for a model."""
    request = parse_request({"provider": "acedata", "prompt": "a cat", "params": {"model": model}})
    return get_quota(build_job(read_settings(alone=True, **settings), request, utc_now()))


def test_each_service_has_limits_of_its_own() -> None:
    found = {each.quota: each.limits for each in list_services() if each.name == "acedata"}
    assert set(found) == {f"acedata.{service}" for service in PATHS}
    in_flight = {quota: limits.max_in_flight for quota, limits in found.items()}
    assert in_flight["acedata.midjourney"] == 5
    assert in_flight["acedata.seedream"] == in_flight["acedata.nano-banana"] == 10
    assert found["acedata.flux"] == get("acedata-flux").limits
    assert (found["acedata.midjourney"].tasks, found["acedata.midjourney"].seconds) == (1, 1)
    assert build_one("flux-dev", acedata_api_key="a key") == get("acedata-flux").quota


def test_key_of_another_service_does_not_pay() -> None:
    keys = {"acedata_api_keys": "art:one,video/seedream:two"}
    assert build_one("nano-banana", **keys) == "acedata.nano-banana"
    with pytest.raises(ConfigError, match=r"no key for acedata\.nano-banana"):
        build_one("nano-banana", acedata_api_keys="video/seedream:two")


def test_unknown_model_is_refused_with_the_nearest_names() -> None:
    message = find_problems({"prompt": "a cat", "params": {"model": "nano-banana-3"}})
    assert "did you mean nano-banana" in message["params.model"]
    assert list(find_problems({"prompt": "a cat", "params": {}})) == ["params.model"]


def test_price_is_that_of_the_list() -> None:
    model = MODELS["qwen-image-3.0"]
    assert model.estimate({}, 0) == Decimal("0.35")
    assert model.estimate({"n": 2}, 0) == Decimal("0.7")
    assert model.estimate({}, 1) == Decimal("0.385")
    assert MODELS["flux-dev"].estimate({}, 0) is None


def test_image_of_an_edit_may_be_any_url() -> None:
    request = make_request(MODELS["midjourney"], "edit", provider="acedata")
    assert build(request)[1]["image_url"] == URL.format(0)


MASK = URL.format("mask")
FOLLOW_UPS = [
    ("upscale", {"image_index": 0}, "upscale1", {}),
    ("upscale", {"image_index": 3, "mode": "turbo"}, "upscale4", {"mode": "turbo"}),
    ("upscale", {"factor": "2x"}, "upscale_2x", {}),
    ("vary", {"image_index": 1, "split_images": True}, "variation2", {"split_images": True}),
    ("vary", {"strength": "subtle"}, "variation_subtle", {}),
    ("vary", {"strength": "region", "mask": MASK}, "variation_region", {"mask": MASK}),
    ("extend", {"zoom_out": "1.5x"}, "zoom_out_1_5x", {}),
    ("extend", {"direction": "left"}, "pan_left", {}),
    ("reroll", {}, "reroll", {}),
]


@pytest.mark.parametrize(("action", "params", "word", "sent"), FOLLOW_UPS)
def test_work_on_a_result_names_its_image(
    action: str, params: dict[str, Any], word: str, sent: dict[str, Any]
) -> None:
    params = {"model": "midjourney", "task_id": "i1", **params}
    path, body = build({"action": action, "params": params}, BACK)
    assert path == "/midjourney/imagine"
    assert body == {"action": word, "image_id": "i1", "callback_url": BACK, **sent}


@pytest.mark.parametrize(
    ("action", "params", "field"),
    [
        ("upscale", {}, "params.image_index"),
        ("upscale", {"image_index": 0, "factor": "2x"}, "params.image_index"),
        ("upscale", {"image_index": 4}, "params.image_index"),
        ("vary", {"strength": "region"}, "params.mask"),
        ("vary", {"image_index": 0, "mask": MASK}, "params.mask"),
        ("extend", {"zoom_out": "2x", "direction": "up"}, "params.zoom_out"),
        ("upscale", {"image_index": 0, "model": "flux-dev"}, "params.model"),
        ("reroll", {"unchecked": True}, "params.unchecked"),
    ],
)
def test_work_on_a_result_that_is_not_clear_is_refused(
    action: str, params: dict[str, Any], field: str
) -> None:
    given = {"action": action, "params": {"model": "midjourney", "task_id": "i1", **params}}
    assert list(find_problems(given)) == [field]


def test_work_on_a_result_counts_in_the_limits_of_midjourney() -> None:
    request = parse_request(
        {
            "provider": "acedata",
            "action": "reroll",
            "params": {"model": "midjourney", "task_id": "i"},
        }
    )
    job = build_job(read_settings(alone=True, acedata_api_key="a key"), request, utc_now())
    assert get_quota(job) == "acedata.midjourney"
