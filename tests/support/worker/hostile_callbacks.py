"""Recorded callbacks with one place replaced by hostile values, and undocumented bodies."""

import gzip
import json
from collections.abc import Iterable, Iterator
from typing import Any

from hypothesis import strategies as st

from imagequeue.providers import PROVIDERS
from imagequeue.providers.synchronous import SynchronousProvider
from imagequeue.worker.receiver.application import MAX_BODY_BYTES
from support.paths import RECORDED

OWN, OTHER = "task-of-this-job", "task-of-another-job"

ID_FIELDS = ("taskId", "task_id")


def templates(provider: str) -> list[Any]:
    """The recorded callbacks of a provider, each on the task OWN."""
    found = []
    for path in sorted((RECORDED / provider).glob("callback*.json")):
        body = json.loads(path.read_text()).get("body")
        if body:
            found.append(json.loads(json.dumps(body, default=str), object_hook=_on_own_task))
    return found


def _on_own_task(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: OWN if name in ID_FIELDS else value for name, value in fields.items()}


def paths(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a body, the whole of it included."""
    yield here
    inner: Iterable[Any] = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for name, each in inner:
        yield from paths(each, (*here, name))


TEMPLATES = {
    name: templates(name)
    for name, provider in PROVIDERS.items()
    if not isinstance(provider, SynchronousProvider)
}

assert all(len(found) > 3 for found in TEMPLATES.values())

PLACES = {
    name: [(body, path) for body in found for path in paths(body)]
    for name, found in TEMPLATES.items()
}


class Body(bytes):
    """A body that is shown cut where an example fails."""

    def __repr__(self) -> str:
        return f"{bytes(self[:300])!r} of {len(self)} bytes"


class Raw(str):
    """What is put into a body, shown cut as well."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{str(self[:50])!r} of {len(self)} characters"


# What stands in the place of a value, as it is written in JSON or in what only looks like it.
URLS = [
    "http://[", "http://[::1", "https://evil.example\\\\@a.example/0.png", "http://\\u2100.example/",
    "ftp://a.example/0.png", "file:///etc/passwd", "javascript:alert(1)", "http://", "http://:80/",
    "http://a.example:99999/", "//a.example/0.png", "http://a b/", "HTTPS://A.EXAMPLE/0.PNG",
]  # fmt: skip

HOSTILE = [
    *("null", "true", "false", "0", "-1", "1.5", '""', "[]", "{}", "[[]]", '["x"]', '{"x": 1}'),
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e-999", "nul", "'x'", "", ",", "\x00"),
    *("9" * 4300, "9" * 10_000, "-" + "9" * 10_000, "1" + "0" * 400 + ".0"),
    *(r'"\ud800"', r'"\udfff\ud800"', r'"\u0000"', '"\ufeff"', '"\U0001f600"', '"a\nb"', r'"\x"'),
    *('{"a": 1, "a": [2]}', '[null, "http://a.example/0.png"]', '"{\\"resultUrls\\": [7]}"'),
    *("[" * 100_000, "[" * 900 + "]" * 900, '"' + "[" * 60_000 + '"', '{"a":' * 40_000),
    *('"' + "x" * 100_000 + '"', '"http://a.example/' + "x" * 100_000 + '"', '"200"', "200", "500"),
    *(f'"{url}"' for url in URLS),
    *(f'["{url}"]' for url in URLS),
]

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)

values = st.sampled_from([Raw(raw) for raw in HOSTILE]) | st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=4
).map(json.dumps)


def put(body: Any, path: tuple[Any, ...], raw: str, *, doubled: bool = False) -> str:
    """The body as JSON with `raw` at a place, or there a second time under the same name."""
    if not path:
        return raw
    mark = "here the raw one comes"
    copy = json.loads(json.dumps(body))
    at = copy
    for name in path[:-1]:
        at = at[name]
    if doubled and isinstance(at, dict):
        at[mark] = mark
        return json.dumps(copy).replace(f'"{mark}": "{mark}"', f'"{path[-1]}": {raw}')
    at[path[-1]] = mark
    return json.dumps(copy).replace(f'"{mark}"', raw)


def mutated(provider: str, task: str = OWN, kept: tuple[str, ...] = ()) -> st.SearchStrategy[bytes]:
    """Recorded callbacks with one place replaced or doubled; the fields `kept` stay as they are."""
    places = [
        place for place in PLACES[provider] if place[1][-1:] not in [(name,) for name in kept]
    ]
    if kept:
        places = [(body, path) for body, path in places if path and OWN in json.dumps(body)]
    parts = st.tuples(st.sampled_from(places), values, st.booleans())
    return parts.map(
        lambda part: Body(
            put(*part[0], part[1], doubled=part[2])
            .replace(OWN, task)
            .encode(errors="surrogatepass")
        )
    )


PLAIN = b'{"success": true, "task_id": "task-of-this-job"}'

WHOLE = [
    b"",
    b"\xff\xfe\x00",
    b"\xef\xbb\xbf" + PLAIN,
    PLAIN.decode().encode("utf-16"),
    PLAIN.decode().encode("utf-32"),
    b"<html>",
    gzip.compress(PLAIN),
    gzip.compress(b"0" * 10_000_000),
    b"task_id=task-of-this-job&success=true",
    b"[" * 200_000,
    b'{"a":' * 40_000,
    b"x" * (MAX_BODY_BYTES + 1),
    PLAIN + b" " * (MAX_BODY_BYTES - len(PLAIN)),
]

UNDOCUMENTED = st.binary(max_size=300) | st.sampled_from([Body(body) for body in WHOLE])

HEADERS: list[dict[str, str]] = [
    {},
    {"Content-Type": "application/json"},
    {"Content-Encoding": "gzip"},
    {"Content-Type": "multipart/form-data; boundary=\xff"},
    {"Content-Type": "application/json; charset=utf-7"},
    {"X-Webhook-Timestamp": "9" * 400, "X-Webhook-Signature": "\xff"},
]

# The words of a provider: whatever stands there is kept, cut, and written down.
WORDS = ("msg", "message", "failCode", "failMsg", "errorCode", "errorMessage")


def wordy(body: Any, raw: str) -> bytes:
    """The body with `raw` in the place of all its words at once."""
    mark = "here the raw one comes"

    def marked(value: Any) -> Any:
        if isinstance(value, list):
            return [marked(each) for each in value]
        if not isinstance(value, dict):
            return value
        fields = {name: mark if name in WORDS else marked(each) for name, each in value.items()}
        if isinstance(value.get("error"), dict):
            fields["error"] = {"code": mark, "message": mark}
        return fields

    return json.dumps(marked(body)).replace(f'"{mark}"', raw).encode(errors="surrogatepass")
