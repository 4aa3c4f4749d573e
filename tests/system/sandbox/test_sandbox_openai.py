"""A server that speaks OpenAI's images API, in the sandbox."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from PIL import Image

from support.sandbox import Sandbox

GENERATE, EDIT = "/v1/images/generations", "/v1/images/edits"
CAT = {"model": "gpt-image-1", "prompt": "a cat"}


def decode(item: dict[str, str]) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(item["b64_json"])))


def test_response_holds_the_images(sandbox: Sandbox) -> None:
    body = sandbox.post(GENERATE, {**CAT, "n": 2, "size": "1536x1024"}).json()
    assert [decode(item).size for item in body["data"]] == [(768, 512)] * 2


def test_images_may_be_urls(sandbox: Sandbox) -> None:
    fields = {**CAT, "response_format": "url", "output_format": "jpeg"}
    (item,) = sandbox.post("/images/generations", fields).json()["data"]
    assert sandbox.get(item["url"]).headers["content-type"] == "image/jpeg"


def test_edit_takes_a_form_with_images(sandbox: Sandbox) -> None:
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "PNG")
    files = [("image[]", ("1.png", file.getvalue(), "image/png"))] * 2
    response = sandbox.ask("POST", EDIT, data={**CAT, "n": "1"}, files=files)
    assert decode(response.json()["data"][0]).format == "PNG"
    broken = [("image", ("1.png", b"no image", "image/png"))]
    assert sandbox.ask("POST", EDIT, data=CAT, files=broken).status_code == 400
    assert sandbox.ask("POST", EDIT, data=CAT, files=[("x", b"")]).status_code == 400


@pytest.mark.parametrize(
    ("change", "key", "status", "code"),
    [
        ({"model": ""}, "key", 400, None),
        ({"n": 11}, "key", 400, None),
        ({"size": "big"}, "key", 400, None),
        ({}, "bad-key", 401, "invalid_api_key"),
        ({}, "broke-key", 429, "insufficient_quota"),
        ({"prompt": "[refuse=429]"}, "key", 429, "rate_limit_exceeded"),
        ({"prompt": "[fail=500]"}, "key", 500, None),
    ],
)
def test_refusal_has_a_status_and_a_code(
    sandbox: Sandbox, change: dict[str, Any], key: str, status: int, code: str | None
) -> None:
    response = sandbox.post(GENERATE, CAT | change, key=key)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_task_is_charged_by_image_and_a_failure_is_free(sandbox: Sandbox) -> None:
    for prompt in ("a priced cat", "a failed cat [fail=500]"):
        sandbox.post(GENERATE, {**CAT, "prompt": prompt, "n": 2})
    charged = [sandbox.submissions(each)[0]["charged"] for each in ("a priced cat",)]
    charged += [each["charged"] for each in sandbox.submissions("a failed cat [fail=500]")]
    assert charged == [0.08, 0]
