"""JSON of a caller's own, bounded so that everything that will serialize it can."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

MAX_DEPTH = 32
MAX_BYTES = 16 * 1024
MAX_KEYS = 1000
INTEGERS = range(-(2**63), 2**63)


def _check_json(value: object) -> object:
    """Return a plain copy of an object within every bound; pydantic refuses other types."""
    if not isinstance(value, Mapping):
        return value
    plain = _Copier(MAX_KEYS).copy(value)
    if len(json.dumps(plain, ensure_ascii=False).encode()) > MAX_BYTES:
        raise ValueError(f"must be at most {MAX_BYTES} bytes of JSON")
    return plain


JsonObject = Annotated[dict[str, Any], BeforeValidator(_check_json)]
"""An object within every bound."""


def _to_storable(value: object) -> object:
    """Return an object; one of an earlier version that cannot be serialized, as its text."""
    try:
        return _Copier(max_keys=MAX_BYTES).copy(value)
    except ValueError:
        return {"unserializable": json.dumps(value, default=repr)}


StoredObject = Annotated[dict[str, Any], BeforeValidator(_to_storable)]
"""An object of a job's record."""


class _Copier:
    """Copies plain JSON types; raises ValueError that says what is wrong.

    Counts while it copies: shared references can make endlessly many values of a few objects.
    """

    def __init__(self, max_keys: int) -> None:
        self._keys_left = max_keys
        # Every value is at least one byte of JSON.
        self._values_left = MAX_BYTES

    def copy(self, value: object, depth: int = 0) -> Any:
        self._values_left -= 1
        if self._values_left < 0:
            raise ValueError(f"must be at most {MAX_BYTES} bytes of JSON")
        if not isinstance(value, Mapping | list | tuple):
            return _check_scalar(value)
        if depth == MAX_DEPTH:
            raise ValueError(f"must be at most {MAX_DEPTH} levels deep")
        if isinstance(value, Mapping):
            return {self._check_key(key): self.copy(value[key], depth + 1) for key in value}
        return [self.copy(each, depth + 1) for each in value]

    def _check_key(self, key: object) -> str:
        self._keys_left -= 1
        if self._keys_left < 0:
            raise ValueError(f"must have at most {MAX_KEYS} keys")
        if not isinstance(key, str):
            raise ValueError("must be JSON: a key must be text")
        _check_scalar(key)
        return key


def _check_scalar(value: object) -> object:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("must be JSON: a text has half a surrogate pair") from None
        return value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if value in INTEGERS:
            return value
        raise ValueError("must be JSON: an integer must fit into 64 bits")
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        raise ValueError("must be JSON: a number must be finite")
    raise ValueError(f"must be JSON: a {type(value).__name__} is not")
