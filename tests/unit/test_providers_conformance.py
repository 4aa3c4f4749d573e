"""Every provider parses its recorded bodies as expected."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from imagequeue.providers import PROVIDERS
from imagequeue.providers.base import BatchProvider
from support.recorded import (
    BATCH_PROVIDERS,
    CASES,
    REQUIRED,
    REQUIRED_OF_BATCHES,
    REQUIRED_OF_REFRESHES,
    REQUIRED_OF_UPLOADS,
    check,
    parse_or_none,
)


@pytest.mark.parametrize("name", sorted(CASES))
def test_recorded_body_is_parsed_as_expected(name: str) -> None:
    case = CASES[name]
    check(parse_or_none(case, case["bytes"]), case["expect"])


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("kind", REQUIRED)
def test_every_kind_of_response_is_recorded(name: str, kind: str) -> None:
    cases = [c for c in CASES.values() if c["provider"].name == name and c["kind"] == kind]

    assert {c["expect"]["type"] for c in cases} >= REQUIRED[kind]
    if kind == "submit":
        accepted = {c["api_version"] for c in cases if c["expect"]["type"] == "Accepted"}
        assert accepted == set(PROVIDERS[name].api_versions)


@pytest.mark.parametrize("name", BATCH_PROVIDERS)
def test_every_kind_of_batch_is_recorded(name: str) -> None:
    batches = [
        case["expect"]
        for case in CASES.values()
        if case["provider"].name == name and case["kind"] == "batch_status"
    ]
    assert {expect["type"] for expect in batches} >= REQUIRED_OF_BATCHES
    items = [item["type"] for expect in batches for item in expect.get("statuses", {}).values()]
    assert set(items) >= {"Pending", "Succeeded", "Failed", "StatusUnavailable"}


def test_every_kind_of_upload_response_is_recorded() -> None:
    uploads = {c["expect"]["type"] for c in CASES.values() if c["kind"] == "upload"}
    assert uploads == REQUIRED_OF_UPLOADS


def test_every_kind_of_refresh_is_recorded() -> None:
    refreshes = {c["expect"]["type"] for c in CASES.values() if c["kind"] == "refresh_url"}
    assert refreshes == REQUIRED_OF_REFRESHES


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_field_has_a_description(name: str) -> None:
    provider = PROVIDERS[name]
    assert provider.name == name
    assert {"generate", "edit"} <= set(provider.actions)
    for action, model in provider.actions.items():
        for field, info in model.model_fields.items():
            assert info.description, f"{action}.{field} lacks a description"


@pytest.mark.parametrize("name", PROVIDERS)
def test_status_request_names_the_task(name: str) -> None:
    for api_version in PROVIDERS[name].api_versions:
        assert "task&12345" in json.dumps(
            asdict(PROVIDERS[name].build_status_request("task&12345", api_version))
        )


@pytest.mark.parametrize("name", BATCH_PROVIDERS)
def test_batch_status_request_names_its_tasks(name: str) -> None:
    provider = PROVIDERS[name]
    assert isinstance(provider, BatchProvider)
    request = json.dumps(asdict(provider.build_batch_status_request(["task&1", "task&2"])))
    assert "task&1" in request
    assert "task&2" in request
    assert provider.max_batch_size > 1
