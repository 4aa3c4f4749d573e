"""No body, however hostile, breaks a provider's parsers or gets an unsafe value through."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from imagequeue.providers.conformance.cases import Case
from imagequeue.providers.conformance.response_checks import ALLOWED
from imagequeue.providers.uploads import Uploaded
from imagequeue.providers.wire import (
    INLINE,
    Accepted,
    InlineImage,
    ResultImage,
    RetryLater,
    TryOtherVersion,
)
from support.examples import examples
from support.recorded import CASES, parse_or_none

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
ANY_CASE = st.sampled_from(sorted(CASES)).map(CASES.__getitem__)


def mutate(draw: st.DrawFn, value: Any) -> Any:
    """Return `value` with one part, at any depth, replaced or removed."""
    if not isinstance(value, dict | list) or not value or draw(st.integers(0, 3)) == 0:
        return draw(ANY_JSON)
    copy = value.copy()
    key = draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
    if draw(st.integers(0, 4)) == 0:
        del copy[key]
    else:
        copy[key] = mutate(draw, value[key])
    return copy


@st.composite
def hostile_bodies(draw: st.DrawFn, case: Case) -> bytes:
    match draw(st.sampled_from(["bytes", "json", "mutated", "cut"])):
        case "bytes":
            return draw(st.binary(max_size=64))
        case "json":
            return json.dumps(draw(ANY_JSON)).encode()
        case "mutated":
            return json.dumps(mutate(draw, case.body or {})).encode()
        case _:
            return case.content[: draw(st.integers(0, len(case.content)))]


@examples(75)
@given(data=st.data(), case=ANY_CASE, status=st.sampled_from([200, 202, 400, 403, 429, 500, 503]))
def test_hostile_body_never_breaks_a_parser(data: st.DataObject, case: Case, status: int) -> None:
    parsed = parse_or_none(case, data.draw(hostile_bodies(case)), status)

    if isinstance(parsed, Mapping):
        for task_id, status in parsed.items():
            task_id.encode()
            require_harmless(status, "status")
    else:
        require_harmless(parsed, case.kind)


def require_harmless(parsed: Any, kind: str) -> None:
    """Check that the value has an allowed type and is safe to store, log and fetch."""
    assert parsed is None or isinstance(parsed, ALLOWED[kind])
    if parsed is not None:
        json.dumps(asdict(parsed), default=str).encode("ascii")
        assert len(getattr(parsed, "message", "")) <= 300
    if isinstance(parsed, Accepted):
        assert parsed.task_id
    # Uploaded and refreshed files have a URL too.
    alone = [parsed] if isinstance(parsed, Uploaded | ResultImage) else []
    for image in getattr(parsed, "images", alone):
        schemes = INLINE if isinstance(image, InlineImage) else ("http://", "https://")
        assert image.url.lower().startswith(schemes)
        image.url.encode()


BATCHES = [c for c in CASES.values() if c.kind == "batch_status" and c.expect.get("statuses")]


@given(case=st.sampled_from(BATCHES), broken=st.lists(ANY_JSON, max_size=4))
def test_broken_batch_item_spoils_no_other(case: Case, broken: list[Any]) -> None:
    body = {**case.body, "items": [*broken, *case.body["items"]]}
    expected, parsed = case.parse(), case.parse(json.dumps(body).encode())
    assert isinstance(expected, Mapping)
    assert isinstance(parsed, Mapping)
    assert {task_id: parsed[task_id] for task_id in expected} == expected


def test_response_with_a_task_id_is_never_sent_again() -> None:
    for name, case in CASES.items():
        if case.kind == "submit":
            body = case.body if isinstance(case.body, dict) else {}
            parsed = case.parse(json.dumps({**body, "task_id": "task12345"}).encode())
            assert not isinstance(parsed, RetryLater | TryOtherVersion), name
