"""Requests are built exactly as the providers document them."""

from __future__ import annotations

from typing import Any

import pytest

from imagequeue.errors import InvalidRequestError
from imagequeue.providers import get
from imagequeue.providers.base import BatchProvider
from support.catalogues import REQUIRED_PARAMS

FLUX, MIDJOURNEY, ACEDATA = "kie-flux-kontext", "kie-midjourney", "acedata-flux"
CAT = "https://cdn.acedata.cloud/ytj2qy.png"
BACK = "https://example.com/callbacks/1"


def build(
    provider: str,
    action: str,
    prompt: str = "a cat",
    urls: tuple[str, ...] = (),
    *,
    callback_url: str | None = None,
    api_version: str | None = None,
    **params: Any,
) -> tuple[str, dict[str, object] | None]:
    api = get(provider)
    params = REQUIRED_PARAMS.get(provider, {}) | params
    request = api.validate_request(action, prompt, urls, params)
    built = api.build_submit_request(request, callback_url, api_version or api.api_versions[0])
    assert built.method == "POST"
    return built.path, built.body


def test_flux_legacy_body() -> None:
    path, body = build(
        FLUX,
        "generate",
        callback_url=BACK,
        model="flux-kontext-max",
        aspect_ratio="16:9",
        output_format="png",
        enable_translation=False,
        upload_cn=True,
        prompt_upsampling=True,
        safety_tolerance=6,
        watermark="mine",
    )
    assert path == "/api/v1/flux/kontext/generate"
    assert body == {
        "prompt": "a cat",
        "model": "flux-kontext-max",
        "aspectRatio": "16:9",
        "outputFormat": "png",
        "enableTranslation": False,
        "uploadCn": True,
        "promptUpsampling": True,
        "safetyTolerance": 6,
        "watermark": "mine",
        "callBackUrl": BACK,
    }


def test_flux_legacy_edit_sends_only_given_fields() -> None:
    _, body = build(FLUX, "edit", "a hat", (CAT,))
    assert body == {"prompt": "a hat", "model": "flux-kontext-pro", "inputImage": CAT}


def test_flux_jobs_body() -> None:
    path, body = build(
        FLUX, "edit", "a hat", (CAT,), callback_url=BACK, api_version="jobs", safety_tolerance=2
    )
    assert path == "/api/v1/jobs/createTask"
    assert body == {
        "model": "flux1-kontext",
        "callBackUrl": BACK,
        "input": {"prompt": "a hat", "input_image": CAT, "safety_tolerance": 2},
    }


def test_flux_jobs_refuses_the_max_model() -> None:
    with pytest.raises(InvalidRequestError, match="model"):
        build(FLUX, "generate", api_version="jobs", model="flux-kontext-max")


def test_flux_status_requests() -> None:
    legacy, jobs = (
        get(FLUX).build_status_request("t1", api_version) for api_version in get(FLUX).api_versions
    )
    assert (legacy.method, legacy.path) == ("GET", "/api/v1/flux/kontext/record-info")
    assert (jobs.method, jobs.path) == ("GET", "/api/v1/jobs/recordInfo")
    assert legacy.query == jobs.query == {"taskId": "t1"}


def test_midjourney_body() -> None:
    path, body = build(
        MIDJOURNEY,
        "generate",
        "a cat",
        (CAT, CAT),
        callback_url=BACK,
        task_type="omni_reference",
        omni_weight=500,
        aspect_ratio="1:2",
        version="7",
        variety=5,
        stylization=50,
        weirdness=100,
        speed="fast",
        watermark="mine",
        enable_translation=True,
    )
    assert path == "/api/v1/mj/generate"
    assert body == {
        "taskType": "mj_omni_reference",
        "prompt": "a cat",
        "fileUrls": [CAT, CAT],
        "ow": 500,
        "aspectRatio": "1:2",
        "version": "7",
        "variety": 5,
        "stylization": 50,
        "weirdness": 100,
        "speed": "fast",
        "waterMark": "mine",
        "enableTranslation": True,
        "callBackUrl": BACK,
    }


def test_midjourney_defaults() -> None:
    _, generate = build(MIDJOURNEY, "generate")
    _, edit = build(MIDJOURNEY, "edit", urls=(CAT,))
    assert generate == {"taskType": "mj_txt2img", "prompt": "a cat"}
    assert edit == {"taskType": "mj_img2img", "prompt": "a cat", "fileUrls": [CAT]}


def test_midjourney_video_always_sends_motion() -> None:
    _, body = build(MIDJOURNEY, "generate", urls=(CAT,), task_type="video", video_batch_size=2)
    assert body == {
        "taskType": "mj_video",
        "prompt": "a cat",
        "fileUrls": [CAT],
        "motion": "high",
        "videoBatchSize": 2,
    }


@pytest.mark.parametrize(
    ("action", "prompt", "params", "path", "body"),
    [
        ("upscale", "", {"image_index": 0}, "generateUpscale", {"imageIndex": 0}),
        (
            "vary",
            "",
            {"image_index": 3, "watermark": "w"},
            "generateVary",
            {"imageIndex": 3, "waterMark": "w"},
        ),
        (
            "extend",
            "",
            {"index": 0, "mode": "auto"},
            "generateVideoExtend",
            {"index": 0, "taskType": "mj_video_extend_auto"},
        ),
        (
            "extend",
            "it jumps",
            {"index": 1, "mode": "manual"},
            "generateVideoExtend",
            {"index": 1, "taskType": "mj_video_extend_manual", "prompt": "it jumps"},
        ),
    ],
)
def test_midjourney_follow_ups(
    action: str, prompt: str, params: dict[str, Any], path: str, body: dict[str, Any]
) -> None:
    request = build(MIDJOURNEY, action, prompt, task_id="t1", **params)
    assert request == (f"/api/v1/mj/{path}", {"taskId": "t1", **body})


def test_acedata_bodies() -> None:
    path, body = build(ACEDATA, "generate", callback_url=BACK, model="flux-kontext-pro", count=2)
    assert path == "/flux/images"
    assert body == {
        "action": "generate",
        "prompt": "a cat",
        "model": "flux-kontext-pro",
        "count": 2,
        "callback_url": BACK,
    }


@pytest.mark.parametrize("word", ["edits", "edit"])
def test_acedata_edit_uses_its_version_and_is_async(word: str) -> None:
    _, body = build(ACEDATA, "edit", "a hat", (CAT,), api_version=word)
    assert body == {
        "action": word,
        "prompt": "a hat",
        "model": "flux-kontext-pro",
        "image_url": CAT,
        "async": True,
    }


def test_acedata_status_request() -> None:
    built = get(ACEDATA).build_status_request("t1", "edits")
    assert (built.method, built.path) == ("POST", "/flux/tasks")
    assert built.body == {"action": "retrieve", "id": "t1"}


def test_acedata_batch_status_request() -> None:
    api = get(ACEDATA)
    assert isinstance(api, BatchProvider)
    built = api.build_batch_status_request(("t1", "t2"))
    assert (built.method, built.path) == ("POST", "/flux/tasks")
    assert built.body == {"action": "retrieve_batch", "ids": ["t1", "t2"]}
    assert api.max_batch_size == 50
