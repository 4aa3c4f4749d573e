"""Requests to a server that speaks OpenAI's images API: validated, and built as JSON or a form."""

from __future__ import annotations

from typing import Any

import pytest

from imagequeue.config.settings import read_settings
from imagequeue.errors import InvalidRequestError
from imagequeue.providers import get
from imagequeue.providers.openai.account import OpenAIAccount
from imagequeue.providers.wire import ProviderRequest

OPENAI = get("openai-images")
CAT = "https://a.example/{}.png"
MOST = {
    "model": "gpt-image-1",
    "n": 4,
    "size": "1536x1024",
    "quality": "high",
    "background": "opaque",
    "output_format": "webp",
    "output_compression": 80,
    "response_format": "b64_json",
}


def build(action: str, urls: tuple[str, ...] = (), **params: Any) -> ProviderRequest:
    checked = OPENAI.validate_request(action, "a cat", urls, params)
    return OPENAI.build_submit_request(checked, "https://example.com/callback", "v1")


def find_problems(action: str, urls: tuple[str, ...] = (), **params: Any) -> set[str]:
    with pytest.raises(InvalidRequestError) as caught:
        build(action, urls, **{"model": "gpt-image-1", **params})
    return {problem.field for problem in caught.value.problems}


def test_only_what_is_given_is_sent() -> None:
    sent = build("generate", model="any/model")
    assert (sent.path, sent.files) == ("/images/generations", ())
    assert sent.body == {"model": "any/model", "prompt": "a cat"}


def test_everything_is_sent_with_extras_beside_it() -> None:
    extra = {"user": "u1", "guidance": 3.5}
    more = {"moderation": "low", "style": "vivid"}
    sent = build("generate", **MOST, **more, extra=extra)
    assert sent.body == {"prompt": "a cat", **MOST, **more, **extra}


def test_edit_is_a_form_of_texts_and_files() -> None:
    urls = (CAT.format(0), CAT.format(1))
    sent = build(
        "edit", urls, **MOST, mask_url=CAT.format("m"), input_fidelity="high", extra={"x": [1]}
    )
    assert sent.path == "/images/edits"
    assert sent.files == (("image[]", urls[0]), ("image[]", urls[1]), ("mask", CAT.format("m")))
    texts = MOST | {"n": "4", "output_compression": "80", "x": "[1]", "input_fidelity": "high"}
    assert sent.body == {"prompt": "a cat", **texts}
    assert build("edit", urls[:1], model="m").files == (("image", urls[0]),)


@pytest.mark.parametrize(
    ("action", "params", "field"),
    [
        ("generate", {"n": 0}, "params.n"),
        ("generate", {"n": 5}, "params.n"),
        ("generate", {"size": "big"}, "params.size"),
        ("generate", {"size": "1024x1024 "}, "params.size"),
        ("generate", {"output_compression": 101}, "params.output_compression"),
        ("generate", {"model": ""}, "params.model"),
        ("generate", {"model": None}, "params.model"),
        ("generate", {"input_fidelity": "high"}, "params.input_fidelity"),
        ("generate", {"extra": {"n": 9}}, "params.extra.n"),
        ("generate", {"extra": {"stream": True}}, "params.extra.stream"),
        ("edit", {"extra": {"image[]": "x"}}, "params.extra.image[]"),
        ("edit", {"mask_url": "m.png"}, "params.mask_url"),
        ("edit", {"style": "vivid"}, "params.style"),
    ],
)
def test_invalid_parameter_is_refused(action: str, params: dict[str, Any], field: str) -> None:
    urls = (CAT.format(0),) if action == "edit" else ()
    assert find_problems(action, urls, **params) == {field}


def test_number_of_input_images_is_bounded() -> None:
    assert find_problems("edit", tuple(CAT.format(n) for n in range(17))) == {"image_urls"}
    assert find_problems("generate", (CAT.format(0),)) == {"image_urls"}


def test_base_url_is_that_of_any_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().account(OpenAIAccount).base_url == "https://api.openai.com/v1"
    monkeypatch.setenv("IMAGEQUEUE_OPENAI_BASE_URL", "https://gateway.example/v1/")
    monkeypatch.setenv("IMAGEQUEUE_OPENAI_API_KEY", "a key")
    account = read_settings().account(OpenAIAccount)
    assert (account.base_url, account.key) == ("https://gateway.example/v1", "a key")


def test_process_waits_for_the_slowest_provider_that_has_a_key() -> None:
    assert read_settings(alone=True).max_submit_timeout_s == 20
    assert read_settings(alone=True, kie_api_key="k").max_submit_timeout_s == 20
    assert read_settings(alone=True, openai_api_key="k").max_submit_timeout_s == 240
