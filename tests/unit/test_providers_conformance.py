"""Every provider reads its recorded bodies as expected, and survives everything else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagequeue.providers import PROVIDERS
from imagequeue.providers.base import BatchProvider, Provider, UrlRefreshProvider
from imagequeue.providers.uploads import Uploaded, UploadOutcome, UploadProvider
from imagequeue.providers.wire import (
    Accepted,
    MalformedResponseError,
    OutcomeUnknown,
    ProviderResponse,
    ResultImage,
    RetryLater,
    SubmitOutcome,
    TaskStatus,
    TryOtherVersion,
)
from support.paths import RECORDED

REQUIRED = {
    "submission": {"Accepted", "RetryLater", "Refused", "OutcomeUnknown"},
    "lookup": {
        "Pending",
        "Succeeded",
        "Failed",
        "TaskNotFound",
        "StatusUnavailable",
        "MalformedResponseError",
    },
    "callback": {"Succeeded", "Failed", "MalformedResponseError"},
}
REQUIRED_OF_BATCHES = {"dict", "StatusUnavailable", "MalformedResponseError"}
REQUIRED_OF_UPLOADS = {"Uploaded", "Refused", "RetryLater", "MalformedResponseError"}
REQUIRED_OF_RENEWALS = {"ResultImage", "MalformedResponseError"}
BATCH_PROVIDERS = [name for name, each in PROVIDERS.items() if isinstance(each, BatchProvider)]
Case = dict[str, Any]
Said = SubmitOutcome | TaskStatus | UploadOutcome | ResultImage | Mapping[str, TaskStatus]


def load(path: Path) -> Case:
    case: Case = json.loads(path.read_text())
    case["provider"] = PROVIDERS[path.parent.name]
    case.setdefault("api_version", case["provider"].api_versions[0])
    case["bytes"] = (case["raw"] if "raw" in case else json.dumps(case["body"])).encode()
    return case


CASES = {str(path.relative_to(RECORDED)): load(path) for path in RECORDED.glob("*/*.json")}
assert CASES


def read(case: Case, body: bytes) -> Said:
    provider: Provider = case["provider"]
    if case["kind"] == "callback":
        return provider.parse_callback(body)
    answer = ProviderResponse(
        status=case["status"], body=body, retry_after_s=case.get("retry_after_s")
    )
    if case["kind"] == "submission":
        return provider.parse_submit_response(answer, case["api_version"])
    if case["kind"] == "upload":
        assert isinstance(provider, UploadProvider)
        return provider.parse_upload_response(answer)
    if case["kind"] == "renewal":
        assert isinstance(provider, UrlRefreshProvider)
        return provider.parse_refresh_url_response(answer)
    if case["kind"] == "batch_lookup":
        assert isinstance(provider, BatchProvider)
        return provider.parse_batch_status_response(answer)
    return provider.parse_status_response(answer, case["api_version"])


def read_or_unreadable(case: Case, body: bytes) -> Said | None:
    """None for MalformedResponseError, which only a submission must never raise."""
    try:
        return read(case, body)
    except MalformedResponseError:
        assert case["kind"] != "submission"
        return None


def check(said: Any, expect: Case) -> None:
    """What was said has the type that is wanted, and the fields that are given."""
    wanted = expect["type"]
    assert type(said).__name__ == (wanted if wanted != "MalformedResponseError" else "NoneType")
    if isinstance(said, Mapping):
        assert set(said) == set(expect["reports"])
        for task_id, report in said.items():
            check(report, expect["reports"][task_id])
    elif said is not None:
        fields = json.loads(json.dumps(asdict(said)))  # tuples become lists, as in the file
        assert {"type": wanted, **{key: fields[key] for key in set(expect) - {"type"}}} == expect


@pytest.mark.parametrize("name", sorted(CASES))
def test_recorded(name: str) -> None:
    case = CASES[name]
    check(read_or_unreadable(case, case["bytes"]), case["expect"])


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("kind", REQUIRED)
def test_every_kind_of_answer_is_recorded(name: str, kind: str) -> None:
    cases = [c for c in CASES.values() if c["provider"].name == name and c["kind"] == kind]

    assert {c["expect"]["type"] for c in cases} >= REQUIRED[kind]
    if kind == "submission":
        accepted = {c["api_version"] for c in cases if c["expect"]["type"] == "Accepted"}
        assert accepted == set(PROVIDERS[name].api_versions)


@pytest.mark.parametrize("name", BATCH_PROVIDERS)
def test_every_kind_of_batch_is_recorded(name: str) -> None:
    batches = [
        case["expect"]
        for case in CASES.values()
        if case["provider"].name == name and case["kind"] == "batch_lookup"
    ]
    assert {expect["type"] for expect in batches} >= REQUIRED_OF_BATCHES
    items = [item["type"] for expect in batches for item in expect.get("reports", {}).values()]
    assert set(items) >= {"Pending", "Succeeded", "Failed", "StatusUnavailable"}


def test_every_kind_of_upload_answer_is_recorded() -> None:
    uploads = {c["expect"]["type"] for c in CASES.values() if c["kind"] == "upload"}
    assert uploads == REQUIRED_OF_UPLOADS


def test_every_kind_of_renewal_is_recorded() -> None:
    renewals = {c["expect"]["type"] for c in CASES.values() if c["kind"] == "renewal"}
    assert renewals == REQUIRED_OF_RENEWALS


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
    for api_version in PROVIDERS[name].api_versions:
        assert "task&12345" in json.dumps(
            asdict(PROVIDERS[name].build_status_request("task&12345", api_version))
        )


@pytest.mark.parametrize("name", BATCH_PROVIDERS)
def test_batch_lookups_name_their_tasks(name: str) -> None:
    provider = PROVIDERS[name]
    assert isinstance(provider, BatchProvider)
    call = json.dumps(asdict(provider.build_batch_status_request(["task&1", "task&2"])))
    assert "task&1" in call
    assert "task&2" in call
    assert provider.max_batch_size > 1


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

    if isinstance(said, Mapping):
        for task_id, report in said.items():
            task_id.encode()
            require_harmless(report, "lookup")
    else:
        require_harmless(said, case["kind"])


def require_harmless(said: Any, kind: str) -> None:
    """One of the kinds of answer, and safe to store, log and fetch."""
    optional = {
        "batch_lookup": REQUIRED_OF_BATCHES,
        "upload": REQUIRED_OF_UPLOADS,
        "renewal": REQUIRED_OF_RENEWALS,
    }
    allowed = {**REQUIRED, **optional}[kind]
    assert type(said).__name__ in {*allowed, "TryOtherVersion", "Pending", "NoneType"}
    if said is not None:
        json.dumps(asdict(said)).encode("ascii")
        assert len(getattr(said, "message", "")) <= 300
    if isinstance(said, Accepted):
        assert said.task_id
    # What was uploaded, or renewed, lies behind a URL too.
    alone = [said] if isinstance(said, Uploaded | ResultImage) else []
    for image in getattr(said, "images", alone):
        assert image.url.lower().startswith(("http://", "https://"))
        image.url.encode()


BATCHES = [c for c in CASES.values() if c["kind"] == "batch_lookup" and c["expect"].get("reports")]


@given(case=st.sampled_from(BATCHES), spoilt=st.lists(ANY_JSON, max_size=4))
def test_no_item_of_a_batch_spoils_another(case: Case, spoilt: list[Any]) -> None:
    body = {**case["body"], "items": [*spoilt, *case["body"]["items"]]}
    said = read(case, json.dumps(body).encode())
    assert isinstance(said, Mapping)
    check({task_id: said[task_id] for task_id in case["expect"]["reports"]}, case["expect"])


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe\x00", b"NaN", b"9" * 5_000, b'"\\ud800"'],
    ids=["deep list", "deep object", "not UTF-8", "NaN", "long number", "half a character"],
)
def test_bodies_that_break_parsers(name: str, body: bytes) -> None:
    provider, answer = PROVIDERS[name], ProviderResponse(status=200, body=body)

    for api_version in provider.api_versions:
        assert isinstance(provider.parse_submit_response(answer, api_version), OutcomeUnknown)
        with pytest.raises(MalformedResponseError):
            provider.parse_status_response(answer, api_version)
    with pytest.raises(MalformedResponseError):
        provider.parse_callback(body)
    if isinstance(provider, BatchProvider):
        with pytest.raises(MalformedResponseError):
            provider.parse_batch_status_response(answer)


SUBMISSIONS = sorted(name for name, case in CASES.items() if case["kind"] == "submission")


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_an_answer_that_names_a_task_is_never_sent_again(name: str) -> None:
    body = CASES[name].get("body")
    named = {**body, "task_id": "task12345"} if isinstance(body, dict) else {"task_id": "task12345"}

    said = read(CASES[name], json.dumps(named).encode())

    assert not isinstance(said, RetryLater | TryOtherVersion)
