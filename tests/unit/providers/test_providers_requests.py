"""Requests are validated before anything is queued, and every problem is reported at once."""

from __future__ import annotations

from typing import Any

import pytest

from imagequeue.errors import InvalidRequestError
from imagequeue.providers import PROVIDERS, get
from support.catalogues import REQUIRED_PARAMS

FLUX, MIDJOURNEY, ACEDATA = "kie-flux-kontext", "kie-midjourney", "acedata-flux"
CAT = "https://cdn.acedata.cloud/ytj2qy.png"


def problems(
    provider: str, action: str, prompt: str = "a cat", urls: tuple[str, ...] = (), **params: Any
) -> dict[str, str]:
    with pytest.raises(InvalidRequestError) as caught:
        get(provider).validate_request(
            action, prompt, urls, REQUIRED_PARAMS.get(provider, {}) | params
        )
    return {problem.field: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize("name", PROVIDERS)
class TestEveryProvider:
    def test_empty_prompt_is_refused(self, name: str) -> None:
        assert problems(name, "generate", " \n") == {"prompt": "must not be empty"}
        assert problems(name, "generate", "") == {"prompt": "must not be empty"}

    def test_edit_without_image_is_refused(self, name: str) -> None:
        assert problems(name, "edit") == {"image_urls": "is required for this action"}

    @pytest.mark.parametrize("url", ["ftp://a.b/c", "a.png", "https://", "https://a.b/c\n", ""])
    def test_url_that_cannot_be_fetched_is_refused(self, name: str, url: str) -> None:
        assert problems(name, "edit", urls=(url,)) == {
            "image_urls.0": "must be an http:// or https:// URL"
        }

    def test_unknown_parameter_is_refused(self, name: str) -> None:
        assert "known: " in problems(name, "generate", zzz=1)["params.zzz"]


@pytest.mark.parametrize(
    ("provider", "action", "urls", "params", "field", "advice"),
    [
        (FLUX, "generate", (), {"aspectRatio": "1:1"}, "params.aspectRatio", "aspect_ratio?"),
        (FLUX, "generate", (), {"aspect_ratio": "2:5"}, "params.aspect_ratio", "'21:9'"),
        (FLUX, "generate", (), {"safety_tolerance": 7}, "params.safety_tolerance", "6"),
        (FLUX, "generate", (), {"safety_tolerance": "2"}, "params.safety_tolerance", "integer"),
        (FLUX, "generate", (), {"upload_cn": 1}, "params.upload_cn", "boolean"),
        (FLUX, "generate", (CAT,), {}, "image_urls", "takes none"),
        (FLUX, "edit", (CAT,), {"safety_tolerance": 3}, "params.safety_tolerance", "2"),
        (FLUX, "edit", (CAT, CAT), {}, "image_urls", "at most 1"),
        (MIDJOURNEY, "generate", (CAT,), {}, "image_urls", "use the action edit"),
        (MIDJOURNEY, "generate", (), {"task_type": "video"}, "image_urls", "exactly one"),
        (MIDJOURNEY, "generate", (CAT, CAT), {"task_type": "video_hd"}, "image_urls", "exactly"),
        (MIDJOURNEY, "generate", (), {"task_type": "omni_reference"}, "image_urls", "at least"),
        (MIDJOURNEY, "generate", (), {"omni_weight": 5}, "params.omni_weight", "only with"),
        (MIDJOURNEY, "generate", (), {"motion": "low"}, "params.motion", "only with"),
        (MIDJOURNEY, "generate", (), {"video_batch_size": 2}, "params.video_batch_size", "only"),
        (MIDJOURNEY, "generate", (), {"variety": 7}, "params.variety", "multiple of 5"),
        (MIDJOURNEY, "generate", (), {"stylization": 1001}, "params.stylization", "1000"),
        (MIDJOURNEY, "generate", (), {"weirdness": 3001}, "params.weirdness", "3000"),
        (MIDJOURNEY, "edit", (CAT,), {"version": 7}, "params.version", "'6.1'"),
        (MIDJOURNEY, "upscale", (), {"task_id": "t", "image_index": 1}, "prompt", "takes none"),
        (MIDJOURNEY, "vary", (), {"image_index": 1}, "params.task_id", "is required"),
        (MIDJOURNEY, "vary", (), {"task_id": "t", "image_index": 4}, "params.image_index", "3"),
        (ACEDATA, "generate", (), {"count": 0}, "params.count", "1"),
        (ACEDATA, "generate", (), {"size": "800x600"}, "params.size", "'1024x1024'"),
        (ACEDATA, "edit", (CAT,), {"count": 2}, "params.count", "unknown parameter"),
        (ACEDATA, "edit", (CAT,), {"model": "flux-dev"}, "params.model", "'flux-kontext-pro'"),
        (ACEDATA, "edit", (CAT,), {"size": "1024x1024"}, "params.size", "'16:9'"),
        (ACEDATA, "edit", (CAT, CAT), {}, "image_urls", "at most 1"),
    ],
)
def test_invalid_field_is_refused_with_advice(
    provider: str,
    action: str,
    urls: tuple[str, ...],
    params: dict[str, Any],
    field: str,
    advice: str,
) -> None:
    assert advice in problems(provider, action, "a cat", urls, **params)[field]


def test_every_problem_is_listed() -> None:
    found = problems(FLUX, "edit", "", safety_tolerance=9, aspectRatio="1:1")
    assert set(found) == {"prompt", "image_urls", "params.safety_tolerance", "params.aspectRatio"}


def test_too_long_midjourney_prompt_is_refused() -> None:
    assert "2000" in problems(MIDJOURNEY, "generate", "x" * 2001)["prompt"]


@pytest.mark.parametrize(("mode", "prompt"), [("manual", ""), ("manual", " "), ("auto", "a cat")])
def test_extend_takes_a_prompt_in_manual_mode_only(mode: str, prompt: str) -> None:
    assert (
        f"mode {mode}"
        in problems(MIDJOURNEY, "extend", prompt, task_id="t", index=0, mode=mode)["prompt"]
    )


@pytest.mark.parametrize("model", ["flux-kontext-pro", "flux-2-klein", "flux-2-max"])
def test_acedata_model_without_pixels_refuses_them(model: str) -> None:
    assert "ratio" in problems(ACEDATA, "generate", model=model, size="1024x1024")["params.size"]


@pytest.mark.parametrize("model", ["flux-2-flex", "flux-2-pro", "flux-2-max"])
def test_acedata_model_that_needs_a_ratio_asks_for_it(model: str) -> None:
    assert "needs a ratio" in problems(ACEDATA, "generate", model=model)["params.size"]
    get(ACEDATA).validate_request("generate", "a cat", [], {"model": model, "size": "1:1"})


@pytest.mark.parametrize("size", ["1024x1792", "16:9", None])
def test_acedata_flux_pro_accepts_any_size(size: str | None) -> None:
    get(ACEDATA).validate_request("generate", "a cat", [], {"model": "flux-pro", "size": size})


def test_unknown_provider_is_refused_with_a_suggestion() -> None:
    with pytest.raises(InvalidRequestError, match="did you mean kie-midjourney") as caught:
        get("kie-midjorney")
    assert "acedata-flux" in str(caught.value)
