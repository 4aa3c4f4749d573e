"""kie's models in the sandbox: their fields, prices and results, by the catalogue's facts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.sandbox import Sandbox

CAT = "https://a.example/cat.png"


def create(sandbox: Sandbox, model: str, **fields: Any) -> Any:
    return sandbox.post("/api/v1/jobs/createTask", {"model": model, "input": fields}).json()


def finish(sandbox: Sandbox, model: str, **fields: Any) -> Any:
    task_id = create(sandbox, model, **fields)["data"]["taskId"]
    return sandbox.ended("/api/v1/jobs/recordInfo", task_id, "state", "success")


@pytest.mark.parametrize(
    ("model", "fields", "words"),
    [
        ("flux-2/pro-text-to-image", {"aspect_ratio": "1:1"}, "resolution is required"),
        ("z-image", {"aspect_ratio": "5:4"}, "aspect_ratio must be one of 1:1"),
        ("z-image", {"aspect_ratio": "1:1", "prompt": "x" * 1001}, "prompt must be at most 1000"),
        ("z-image", {"aspect_ratio": "1:1", "prompt": ""}, "prompt is required"),
        ("qwen/text-to-image", {"guidance_scale": 21}, "guidance_scale must be at most 20"),
        ("qwen/text-to-image", {"guidance_scale": -1}, "guidance_scale must be at least 0"),
        ("qwen/text-to-image", {"seed": 1.5}, "seed must be integer"),
        ("qwen/text-to-image", {"nsfw_checker": "yes"}, "nsfw_checker must be boolean"),
        ("qwen/text-to-image", {"image_url": CAT}, "image_url is not a field of this model"),
        ("google/nano-banana-edit", {"image_urls": [CAT] * 11}, "image_urls must be at most 10"),
        ("google/nano-banana-edit", {"image_urls": CAT}, "image_urls must be a list of url"),
        ("google/nano-banana-edit", {}, "image_urls is required"),
        ("flux1-kontext", {"input_image": CAT, "safety_tolerance": 3}, "must be at most 2"),
        ("grok-imagine-image-2-0/segment-map", {"prompt": None}, "prompt is not a field"),
    ],
)
def test_invalid_field_is_refused(
    sandbox: Sandbox, model: str, fields: dict[str, Any], words: str
) -> None:
    response = create(sandbox, model, **{"prompt": "a cat", **fields})
    assert (response["code"], response["data"]) == (422, None)
    assert words in response["msg"]


def test_exactly_one_source_is_required(sandbox: Sandbox) -> None:
    for fields in ({}, {"image_url": CAT, "task_id": "t"}):
        message = create(sandbox, "grok-imagine-image-2-0/segment-map", **fields)["msg"]
        assert message == "input.image_url or task_id is required, not both"


@pytest.mark.parametrize(
    ("model", "fields", "price", "names"),
    [
        ("z-image", {"aspect_ratio": "16:9"}, 0.8, ["0.png"]),
        ("nano-banana-2", {"resolution": "4K", "image_input": [CAT]}, 18, ["0.jpeg"]),
        ("grok-imagine/text-to-image", {"enable_pro": True}, 5, ["0.png"]),
        ("qwen2-1/text-to-image", {"output_format": "webp"}, 4, ["0.webp"]),
        ("wan/2-7-image-pro", {"n": 2}, 24, ["0.png", "1.png"]),
        ("bytedance/seedream", {"image_size": "portrait_4_3"}, 10, ["0.png"]),
        ("kling-3.0/video", {"anything": [1]}, 10, ["0.mp4"]),
    ],
)
def test_task_costs_and_makes_what_is_listed(
    sandbox: Sandbox, model: str, fields: dict[str, Any], price: float, names: list[str]
) -> None:
    record = finish(sandbox, model, prompt="a cat", **fields)
    assert record["creditsConsumed"] == price
    urls = json.loads(record["resultJson"])["resultUrls"]
    assert [url.rpartition("/")[2] for url in urls] == names
    assert all(sandbox.get(url).status_code == 200 for url in urls)


def test_segment_map_is_an_object(sandbox: Sandbox) -> None:
    record = finish(sandbox, "grok-imagine-image-2-0/segment-map", image_url=CAT)
    result = json.loads(record["resultJson"])
    assert result["resultObject"]["segments"][0]["mask"].endswith("/0.png")


def test_flux_kontext_of_either_provider_is_charged_as_kie(sandbox: Sandbox) -> None:
    before = sandbox.get("/sandbox/ledger").json()["providers"]["kie"]["charged"]
    finish(sandbox, "flux1-kontext", prompt="a cat")
    assert sandbox.get("/sandbox/ledger").json()["providers"]["kie"]["charged"] == before + 5
