"""What is particular to the example of a plug-in; the conformance suite checks the rest."""

import hashlib
import hmac
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from imagequeue.errors import InvalidRequestError
from imagequeue.providers.account import SignatureError
from support.bfl import load_plugin

bfl = load_plugin()
PROVIDER: Any = bfl.BlackForestLabs()
ACCOUNT: Any = bfl.BflAccount(api_key="k", webhook_secret="s")
CATS = [f"https://a.example/{n}.png" for n in range(3)]
BACK = "https://queue.example/callbacks/1"
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def build(action: str, urls: list[str], callback_url: str | None = None, **params: Any) -> Any:
    request = PROVIDER.validate_request(action, "a cat", urls, params)
    return PROVIDER.build_submit_request(request, callback_url, "v1")


def test_images_of_an_edit_are_numbered() -> None:
    built = build("edit", CATS, model="flux-kontext-max", aspect_ratio="16:9")
    assert built.path == "/v1/flux-kontext-max"
    assert built.body == {
        "prompt": "a cat",
        "aspect_ratio": "16:9",
        "input_image": CATS[0],
        "input_image_2": CATS[1],
        "input_image_3": CATS[2],
    }


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"model": "flux-kontext-pro", "width": 1024}, "params.width"),
        ({"aspect_ratio": "1:1"}, "params.aspect_ratio"),
        ({"width": 4096, "height": 4096}, "params.width"),
    ],
)
def test_parameters_of_other_models_are_refused(params: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        build("generate", [], **params)
    assert [problem.field for problem in caught.value.problems] == [field]


def test_secret_goes_with_the_callback_url_only() -> None:
    with_callback, polled = build("generate", [], BACK), build("generate", [])
    assert ACCOUNT.complete_request(with_callback).body["webhook_secret"] == "s"
    assert ACCOUNT.complete_request(polled) == polled
    assert bfl.BflAccount(api_key="k").complete_request(with_callback) == with_callback


def test_signature_over_the_body_is_verified() -> None:
    body = b'{"id": "t"}'
    digest = hmac.new(b"s", body, hashlib.sha256).hexdigest()
    ACCOUNT.verify_callback({"x-bfl-signature": f"sha256={digest}"}, body, "t", NOW)
    with pytest.raises(SignatureError):
        ACCOUNT.verify_callback({"x-bfl-signature": f"sha256={digest}"}, body + b" ", "t", NOW)
    bfl.BflAccount(api_key="k").verify_callback({}, body, "t", NOW)


@pytest.mark.parametrize(
    ("task_id", "base_url"), [("t", ""), ("t@eu2", "https://api.eu2.bfl.ai")], ids=["none", "eu2"]
)
def test_task_is_asked_about_in_its_region(task_id: str, base_url: str) -> None:
    built = PROVIDER.build_status_request(task_id, "v1")
    assert (built.path, built.query, built.base_url) == ("/v1/get_result", {"id": "t"}, base_url)


@pytest.mark.parametrize(
    ("model", "price"), [("flux-kontext-pro", 4), ("flux-kontext-max", 8), ("flux-2-pro", None)]
)
def test_price_is_that_of_the_model(model: str, price: int | None) -> None:
    request = PROVIDER.validate_request("generate", "a cat", [], {"model": model})
    assert PROVIDER.estimate("generate", request) == (price and Decimal(price))
