"""Every provider has what the conformance suite checks, and a batch of it more."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from imagequeue.providers import PROVIDERS
from imagequeue.providers.conformance import CHECKS
from imagequeue.providers.conformance.cases import Subject
from support.recorded import BATCH_PROVIDERS, CASES, cases_of

SUBJECTS = {name: Subject(each, cases_of(each)) for name, each in PROVIDERS.items()}


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("check", CHECKS, ids=[each.__name__ for each in CHECKS])
def test_provider_conforms(name: str, check: Callable[[Subject], Iterator[str]]) -> None:
    assert list(check(SUBJECTS[name])) == []


@pytest.mark.parametrize("name", PROVIDERS)
def test_provider_generates_and_edits(name: str) -> None:
    assert PROVIDERS[name].name == name
    assert {"generate", "edit"} <= set(PROVIDERS[name].actions)


@pytest.mark.parametrize("name", BATCH_PROVIDERS)
def test_every_kind_of_item_is_recorded(name: str) -> None:
    batches = [
        case.expect
        for case in CASES.values()
        if case.provider.name == name and case.kind == "batch_status"
    ]
    items = [item["type"] for expect in batches for item in expect.get("statuses", {}).values()]
    assert set(items) >= {"Pending", "Succeeded", "Failed", "StatusUnavailable"}
