"""Every provider reads its recorded bodies as expected, and survives everything else."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagequeue.providers import PROVIDERS
from imagequeue.providers.base import Provider
from imagequeue.providers.wire import (
    Accepted,
    Answer,
    OtherDialect,
    RefusedForNow,
    Report,
    Submission,
    Unknown,
    UnreadableError,
)

RECORDED = Path(__file__).parent / "recorded"
REQUIRED = {
    "submission": {"Accepted", "RefusedForNow", "Refused", "Unknown"},
    "lookup": {"Pending", "Succeeded", "Failed", "Missing", "Unavailable", "UnreadableError"},
    "callback": {"Succeeded", "Failed", "UnreadableError"},
}
Case = dict[str, Any]


def load(path: Path) -> Case:
    case: Case = json.loads(path.read_text())
    case["provider"] = PROVIDERS[path.parent.name]
    case.setdefault("dialect", case["provider"].dialects[0])
    case["bytes"] = (case["raw"] if "raw" in case else json.dumps(case["body"])).encode()
    return case


CASES = {str(path.relative_to(RECORDED)): load(path) for path in RECORDED.glob("*/*.json")}
assert CASES


def read(case: Case, body: bytes) -> Submission | Report:
    provider: Provider = case["provider"]
    if case["kind"] == "callback":
        return provider.read_callback(body)
    answer = Answer(status=case["status"], body=body, retry_after_s=case.get("retry_after_s"))
    if case["kind"] == "submission":
        return provider.read_submission(answer, case["dialect"])
    return provider.read_lookup(answer, case["dialect"])


def read_or_unreadable(case: Case, body: bytes) -> Submission | Report | None:
    """None for UnreadableError, which only a submission must never raise."""
    try:
        return read(case, body)
    except UnreadableError:
        assert case["kind"] != "submission"
        return None


@pytest.mark.parametrize("name", sorted(CASES))
def test_recorded(name: str) -> None:
    case = CASES[name]
    expect = dict(case["expect"])
    wanted = expect.pop("type")

    said = read_or_unreadable(case, case["bytes"])

    assert type(said).__name__ == (wanted if wanted != "UnreadableError" else "NoneType")
    if said is not None:
        fields = json.loads(json.dumps(asdict(said)))  # tuples become lists, as in the file
        assert {key: fields[key] for key in expect} == expect


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("kind", REQUIRED)
def test_every_kind_of_answer_is_recorded(name: str, kind: str) -> None:
    cases = [c for c in CASES.values() if c["provider"].name == name and c["kind"] == kind]

    assert {c["expect"]["type"] for c in cases} >= REQUIRED[kind]
    if kind == "submission":
        accepted = {c["dialect"] for c in cases if c["expect"]["type"] == "Accepted"}
        assert accepted == set(PROVIDERS[name].dialects)


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_field_is_explained(name: str) -> None:
    provider = PROVIDERS[name]
    assert provider.name == name
    assert {"generate", "edit"} <= set(provider.actions)
    for action, model in provider.actions.items():
        for field, info in model.model_fields.items():
            assert info.description, f"{action}.{field} lacks a description"


@pytest.mark.parametrize("name", PROVIDERS)
def test_lookups_name_the_task(name: str) -> None:
    for dialect in PROVIDERS[name].dialects:
        assert "task&12345" in json.dumps(asdict(PROVIDERS[name].lookup("task&12345", dialect)))


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
ANY_CASE = st.sampled_from(sorted(CASES)).map(CASES.__getitem__)


def mutate(draw: st.DrawFn, value: Any) -> Any:
    """`value` with one part, at any depth, replaced, dropped, or put where it does not belong."""
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
            return json.dumps(mutate(draw, case.get("body", {}))).encode()
        case _:
            body: bytes = case["bytes"]
            return body[: draw(st.integers(0, len(body)))]


@settings(max_examples=1500, deadline=None)
@given(data=st.data(), case=ANY_CASE, status=st.sampled_from([200, 202, 400, 403, 429, 500, 503]))
def test_nothing_surprises_a_reader(data: st.DataObject, case: Case, status: int) -> None:
    said = read_or_unreadable({**case, "status": status}, data.draw(hostile_bodies(case)))

    assert type(said).__name__ in {*REQUIRED[case["kind"]], "OtherDialect", "Pending", "NoneType"}
    if said is not None:
        json.dumps(asdict(said)).encode("ascii")
        assert len(getattr(said, "message", "")) <= 300
    if isinstance(said, Accepted):
        assert said.task_id
    for image in getattr(said, "images", ()):
        assert image.url.lower().startswith(("http://", "https://"))
        image.url.encode()


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe\x00", b"NaN", b"9" * 5_000, b'"\\ud800"'],
    ids=["deep list", "deep object", "not UTF-8", "NaN", "long number", "half a character"],
)
def test_bodies_that_break_parsers(name: str, body: bytes) -> None:
    provider, answer = PROVIDERS[name], Answer(status=200, body=body)

    for dialect in provider.dialects:
        assert isinstance(provider.read_submission(answer, dialect), Unknown)
        with pytest.raises(UnreadableError):
            provider.read_lookup(answer, dialect)
    with pytest.raises(UnreadableError):
        provider.read_callback(body)


SUBMISSIONS = sorted(name for name, case in CASES.items() if case["kind"] == "submission")


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_an_answer_that_names_a_task_is_never_sent_again(name: str) -> None:
    body = CASES[name].get("body")
    named = {**body, "task_id": "task12345"} if isinstance(body, dict) else {"task_id": "task12345"}

    said = read(CASES[name], json.dumps(named).encode())

    assert not isinstance(said, RefusedForNow | OtherDialect)
