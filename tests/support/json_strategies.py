"""What a careless or hostile caller may send where JSON is expected."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

SURROGATES = st.sampled_from(["\ud800", "a\udfff", "\x00", "\x7f", "é", "🐈"])
TEXT = SURROGATES | st.text(max_size=5)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    TEXT,
    st.integers(),
    st.sampled_from([2**63, -(2**63) - 1, 10**400]),
    st.floats(),
    st.sampled_from([b"bytes", datetime(2026, 1, 1, tzinfo=UTC), {1}, object()]),
)


def nest(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for level in range(levels - 1):
        value = {"x": value} if level % 2 else {"x": [value]}
    return value


def circle() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["x"] = [value]
    return value


def explosion() -> dict[str, Any]:
    """Thirty levels of objects, which would be a thousand million when they are written out."""
    value: dict[str, Any] = {}
    for _ in range(30):
        value = {"a": value, "b": value}
    return value


VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner),
        st.dictionaries(TEXT | st.integers(), inner, max_size=3),
    ),
    max_leaves=10,
)
OBJECTS = st.one_of(
    st.dictionaries(TEXT, VALUES, max_size=3),
    st.integers(1, 400).map(nest),
    st.builds(circle),
    st.builds(explosion),
    VALUES,
)
