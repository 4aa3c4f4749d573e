"""Bodies that no vendor documents, and recorded ones with one place changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

HOSTILE = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b"0",
    b'"text"',
    b"NaN",
    b"<html><body>Bad Gateway</body></html>",
    b"\xff\xfe\x00",
    b'"\\ud800"',
    b"9" * 5_000,
    b"[" * 100_000,
    b'{"a":' * 100_000,
)
_OTHERS: tuple[Any, ...] = (None, True, 0, -1.5, "", "x", [], [[]], {}, {"x": 1}, "\ud800")


def mutate(body: Any) -> Iterator[Any]:
    """Yield a body with one place, at any depth, removed or replaced by another value."""
    yield from _OTHERS
    if isinstance(body, dict):
        for name, value in body.items():
            yield {key: each for key, each in body.items() if key != name}
            yield from ({**body, name: other} for other in mutate(value))
    elif isinstance(body, list):
        for at, value in enumerate(body):
            yield [*body[:at], *body[at + 1 :]]
            yield from ([*body[:at], other, *body[at + 1 :]] for other in mutate(value))


def list_hostile(content: bytes, body: Any) -> Iterator[bytes]:
    """Yield a recorded content cut in two places, and its body with each place changed."""
    yield content[: len(content) // 2]
    yield content[:-1]
    yield from (json.dumps(each).encode() for each in mutate(body))
