"""The body of a batch is split into items without parsing it, in bounded memory."""

import json
import tracemalloc
from contextlib import suppress
from typing import Any

import pytest
from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st

from imagequeue.producer.api import batch_body
from imagequeue.producer.api.batch_body import JSON, JSON_LINES, MAX_ITEM_BYTES, parse_items
from imagequeue.producer.submission import MAX_IN_BATCH

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(st.lists(VALUES, max_size=5), st.sampled_from([None, 1]), st.booleans())
def test_each_item_is_found(items: list[Any], indent: int | None, escaped: bool) -> None:
    fields = {"on_error": "skip", "items": items}
    body = json.dumps(fields, indent=indent, ensure_ascii=escaped).encode()
    found = parse_items(bytearray(body), JSON, "refuse")
    assert ([*found], found.on_error) == (items, "skip")
    lines = "\n\n".join(json.dumps(item, ensure_ascii=escaped) for item in items).encode()
    found = parse_items(bytearray(lines), JSON_LINES[0], "skip")
    assert [*found] == items
    assert [found.get_line_number(index) for index in range(len(items))] == [
        *range(1, 2 * len(items), 2)
    ]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ('{"items": [{}', RequestValidationError),
        ('{"items": [{}]', RequestValidationError),
        ('{"items": [{}]}]', RequestValidationError),
        ('{"items": {"a": 1}}', RequestValidationError),
        ('[{"items": [1]}]', RequestValidationError),
        ('{"x": {"items": [1]}}', RequestValidationError),
        ('{"items": [1], "items": [2]}', HTTPException),
        ('{"\\u0069tems": [1]}', HTTPException),
        ('{"items": [1], "x": "' + "y" * MAX_ITEM_BYTES + '"}', HTTPException),
        ('"' + '\\"' * 1_000_000, HTTPException),
    ],
    ids=range(10),
)
def test_body_that_is_no_batch_is_refused(body: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_items(bytearray(body.encode()), JSON, "refuse")


def test_item_that_is_malformed_or_too_large_is_none() -> None:
    large = b'{"x": "' + b"y" * MAX_ITEM_BYTES + b'"}'
    for body, kind in (
        (b'{"items": [1, {"x" 2}, , %s]}' % large, JSON),
        (b'1\n{"x" 2}\n"\n%s' % large, JSON_LINES[0]),
    ):
        assert [*parse_items(bytearray(body), kind, "skip")] == [1, None, None, None]


def test_item_beyond_the_limit_ends_the_search() -> None:
    for body, kind in (
        (b'{"items": [%s1]}' % (b"1," * 20_000), JSON),
        (b"1\n" * 20_000, JSON_LINES[0]),
    ):
        assert len(parse_items(bytearray(body), kind, "skip")) in (
            MAX_IN_BATCH + 1,
            MAX_IN_BATCH + 2,
        )


@pytest.mark.parametrize(
    ("start", "part", "kind"),
    [
        (b"", b"\n", JSON_LINES[0]),
        (b"", b" ", JSON_LINES[0]),
        (b"[", b"{},", JSON_LINES[0]),
        (b'{"items": [', b"{},", JSON),
        (b'{"items": [', b"1,", JSON),
    ],
)
def test_large_body_takes_bounded_memory(
    monkeypatch: pytest.MonkeyPatch, start: bytes, part: bytes, kind: str
) -> None:
    # A twentieth of the largest body, and of the values in it.
    monkeypatch.setattr(batch_body, "MAX_TOKENS", batch_body.MAX_TOKENS // 20)
    body = bytearray(start + part * (1_550_000 // len(part)))
    tracemalloc.start()
    try:
        with suppress(HTTPException):
            for item in parse_items(body, kind, "skip"):
                del item
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_many_values_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_body, "MAX_TOKENS", 10)
    for body, kind in ((b'{"items": [1,2,3,4,5,6,7,8,9]}', JSON), (b"{}\n" * 6, JSON_LINES[0])):
        with pytest.raises(HTTPException) as caught:
            parse_items(bytearray(body), kind, "skip")
        assert caught.value.status_code == 413
