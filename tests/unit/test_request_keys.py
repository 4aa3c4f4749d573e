"""The digest under an idempotency key stays what earlier versions stored for the same request."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from imagequeue.config.settings import read_settings
from imagequeue.jobs.job import utc_now
from imagequeue.producer.idempotency import batch_key, request_key
from imagequeue.producer.validation import RequestValidator
from imagequeue.providers.request import JobRequest
from support.hostile import picture

REQUEST: dict[str, Any] = {"provider": "kie-flux-kontext", "prompt": "a cat"}
EDIT = {
    **REQUEST,
    "action": "edit",
    "image_urls": ["https://x.example/1.png"],
    "params": {"aspect_ratio": "16:9"},
}
DEFAULTS = {"action": "generate", "delivery": "auto", "metadata": {}, "webhook_url": None}


@pytest.fixture
def validator() -> RequestValidator:
    settings = read_settings(kie_api_key="key", secret_key="secret")
    return RequestValidator(settings=settings, now=utc_now, caller="shop", files=True)


def sha256(document: str) -> str:
    return hashlib.sha256(document.encode()).hexdigest()


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        (REQUEST, '{"prompt": "a cat", "provider": "kie-flux-kontext"}'),
        ({**REQUEST, **DEFAULTS}, '{"prompt": "a cat", "provider": "kie-flux-kontext"}'),
        (JobRequest(**REQUEST), '{"prompt": "a cat", "provider": "kie-flux-kontext"}'),
        (
            EDIT,
            '{"action": "edit", "image_urls": ["https://x.example/1.png"], "params": '
            '{"aspect_ratio": "16:9"}, "prompt": "a cat", "provider": "kie-flux-kontext"}',
        ),
    ],
    ids=["plain", "defaults written out", "parsed before", "with parameters"],
)
def test_request_digest_is_stable(validator: RequestValidator, given: Any, canonical: str) -> None:
    key = request_key("k", validator.check(given, "k"), "shop")
    assert key == ("shop:k", sha256(canonical))


def test_file_counts_by_its_content(validator: RequestValidator, tmp_path: Path) -> None:
    file = tmp_path / "cat.png"
    file.write_bytes(picture())
    valid = validator.check({**REQUEST, "action": "edit", "image": file}, "k")
    content = f"sha256:{hashlib.sha256(picture()).hexdigest()}"
    fields = {**REQUEST, "action": "edit", "image_urls": [content]}
    expected = sha256(json.dumps(fields, sort_keys=True))
    assert request_key("k", valid, "shop").digest == expected
    expected = sha256(json.dumps({"items": [fields]}, sort_keys=True))
    assert batch_key("k", [None], [valid], "shop") == ("shop:k", expected)


def test_batch_digest_covers_items_as_submitted(validator: RequestValidator) -> None:
    items: list[Any] = [{**REQUEST, **DEFAULTS, "idempotency_key": "own"}, {"provider": "none"}]
    valid, refused = validator.check_each(items)
    assert [each.index for each in refused] == [1]
    fields = [{**REQUEST, **DEFAULTS}, {"provider": "none"}]
    digest = sha256(json.dumps({"items": fields}, sort_keys=True))
    assert batch_key("k", items, valid, "shop") == ("shop:k", digest)
