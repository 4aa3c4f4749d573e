"""Values from outside are made safe to store, log and fetch, whatever their type."""

from __future__ import annotations

import pytest

from imagequeue.providers.parsing import to_int, to_message, to_object, to_text, to_url


def test_half_a_surrogate_pair_can_be_stored() -> None:
    assert to_text("a\ud800b") == "a?b"


def test_message_is_the_first_text_and_short() -> None:
    assert to_message(None, "", 7, "later") == "7"
    assert to_message("x" * 9_999) == "x" * 300


@pytest.mark.parametrize("value", [None, True, 1.5, [], {}])
def test_other_types_are_empty_texts(value: object) -> None:
    assert to_text(value) == ""


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (7, 7),
        ("200", 200),
        ("٢", None),
        ("9" * 99, None),
        ("", None),
        (True, None),
        (2.0, 2),
        (2.5, None),
    ],
)
def test_only_whole_numbers_are_integers(value: object, number: int | None) -> None:
    assert to_int(value) == number


@pytest.mark.parametrize("value", ["", "a.png", "file:///etc/passwd", "https://", "http:///a", 7])
def test_other_texts_are_empty_urls(value: object) -> None:
    assert to_url(value) == ""


def test_object_may_be_inside_of_a_string() -> None:
    assert to_object('{"a": 1}') == to_object({"a": 1}) == {"a": 1}
    assert to_object("[" * 100_000) == to_object([1]) == {}
