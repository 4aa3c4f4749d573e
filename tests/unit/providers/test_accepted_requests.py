"""Whatever is accepted can be serialized by everything that will serialize it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagequeue.config.settings import read_settings
from imagequeue.errors import InvalidRequestError
from imagequeue.jobs.build import build_job
from imagequeue.jobs.idempotency import build_idempotency_key
from imagequeue.jobs.job import Job
from imagequeue.json_values import MAX_DEPTH, MAX_KEYS
from imagequeue.providers.request import JobRequest, parse_request
from imagequeue.store.codec import dump, load
from imagequeue.store.transition_effects import build_webhook_entry
from support.examples import examples
from support.json_strategies import OBJECTS, TEXT, circle, explosion, nest

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VALID: dict[str, Any] = {"provider": "acedata-flux", "prompt": "a cat"}
SETTINGS = read_settings(
    acedata_api_key="key", secret_key="secret", webhook_secret="whsec_" + "A" * 32
)


def accept(fields: Mapping[str, Any], caller: str = "") -> Job:
    return build_job(SETTINGS, parse_request(fields), NOW, submitted_by=caller)


def parse_strictly(text: str | bytes) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def serialize_everywhere(job: Job) -> None:
    assert load(job.id, dump(job), "") == job
    for text in (dump(job), job.model_dump_json(by_alias=True), build_webhook_entry(job)):
        parse_strictly(text)
    parse_strictly(json.dumps(job.model_dump(mode="json"), ensure_ascii=False).encode())


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "provider": TEXT,
        "action": TEXT | st.just("edit"),
        "prompt": TEXT,
        "image_urls": st.lists(TEXT.map(lambda text: f"https://x/{text}"), max_size=2) | OBJECTS,
        "params": OBJECTS,
        "metadata": OBJECTS,
        "webhook_url": TEXT.map(lambda text: f"https://x/{text}") | OBJECTS,
        "delivery": TEXT,
    },
)


@given(FIELDS, TEXT)
@examples(50)
def test_accepted_request_is_serializable_everywhere(changed: dict[str, Any], caller: str) -> None:
    fields = {**VALID, **changed}
    try:
        job = accept(fields, caller)
        key = build_idempotency_key("key", JobRequest(**fields).model_dump(exclude_defaults=True))
    except InvalidRequestError as error:
        str(error).encode()
    else:
        assert key.digest
        serialize_everywhere(job)


@pytest.mark.parametrize("field", ["metadata", "params"])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (nest(MAX_DEPTH * 2), "levels deep"),
        (nest(255), "levels deep"),
        (circle(), "levels deep"),
        (explosion(), "keys"),
        ({"x": "y" * 17_000}, "bytes of JSON"),
        ({"x": [0] * 17_000}, "bytes of JSON"),
        ({str(n): 0 for n in range(MAX_KEYS + 1)}, f"at most {MAX_KEYS} keys"),
        ({"x": "\ud800"}, "surrogate"),
        ({"\udfff": 1}, "surrogate"),
        ({"x": float("nan")}, "finite"),
        ({"x": [float("-inf")]}, "finite"),
        ({"x": 2**63}, "64 bits"),
        ({"x": b"y"}, "a bytes is not"),
        ({"x": {1: 2}}, "a key must be text"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_object_beyond_a_bound_is_refused(field: str, value: Any, words: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        accept({**VALID, field: value})
    (problem,) = caught.value.problems
    assert problem.field == field
    assert words in problem.message


def test_object_at_its_bounds_is_accepted_unchanged() -> None:
    metadata = {"deep": nest(MAX_DEPTH // 2), "low": -(2**63), "high": 2**63 - 1, "nul": "\0"}
    job = accept({**VALID, "metadata": metadata})
    assert job.metadata == metadata
    serialize_everywhere(job)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image_urls", ["https://x/\ud800"]),
        ("image_urls", ["https://x/\0"]),
        ("image_urls", ["https://x/" + "y" * 10_000]),
        ("image_urls", ["https://x/"] * 100),
        ("webhook_url", "https://x/\0"),
        ("webhook_url", "https://x/\ud800"),
        ("provider", "\ud800"),
        ("action", "\ud800"),
        ("prompt", "\ud800"),
    ],
)
def test_text_that_breaks_a_serializer_is_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        accept({**VALID, "action": "edit", "image_urls": ["https://x/"], field: value})
    assert caught.value.problems[0].field.partition(".")[0] == field


@pytest.mark.parametrize("caller", ["\ud800", "a\nb", "x" * 256])
def test_caller_that_cannot_be_stored_is_refused(caller: str) -> None:
    with pytest.raises(InvalidRequestError, match="submitted_by"):
        accept(VALID, caller)


def test_stored_job_nested_too_deeply_has_its_metadata_as_text() -> None:
    job = accept(VALID)
    old = job.model_copy(update={"metadata": nest(250), "params": {"x": float("nan")}})
    read = load(old.id, dump(old), "")
    assert read.id == job.id
    assert json.loads(read.metadata["unserializable"]) == nest(250)
    read.model_dump_json()
    build_webhook_entry(read)


def test_key_of_a_request_that_is_not_json_is_refused() -> None:
    for request in ({"x": circle()}, {"x": {1: 2, "a": 3}}, nest(100_000)):
        with pytest.raises(InvalidRequestError, match="idempotency_key"):
            build_idempotency_key("key", request)
