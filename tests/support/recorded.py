"""The recorded bodies of each provider, and what they must be parsed to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from imagequeue.providers import PROVIDERS
from imagequeue.providers.base import BatchProvider, Provider, UrlRefreshProvider
from imagequeue.providers.uploads import UploadOutcome, UploadProvider
from imagequeue.providers.wire import (
    MalformedResponseError,
    ProviderResponse,
    ResultImage,
    SubmitOutcome,
    TaskStatus,
)
from support.paths import RECORDED

REQUIRED = {
    "submit": {"Accepted", "RetryLater", "Refused", "OutcomeUnknown"},
    "status": {
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
REQUIRED_OF_REFRESHES = {"ResultImage", "MalformedResponseError"}
BATCH_PROVIDERS = [name for name, each in PROVIDERS.items() if isinstance(each, BatchProvider)]
Case = dict[str, Any]
Parsed = SubmitOutcome | TaskStatus | UploadOutcome | ResultImage | Mapping[str, TaskStatus]


def load(path: Path) -> Case:
    case: Case = json.loads(path.read_text())
    case["provider"] = PROVIDERS[path.parent.name]
    case.setdefault("api_version", case["provider"].api_versions[0])
    case["bytes"] = (case["raw"] if "raw" in case else json.dumps(case["body"])).encode()
    return case


CASES = {str(path.relative_to(RECORDED)): load(path) for path in RECORDED.glob("*/*.json")}
assert CASES


def parse_case(case: Case, body: bytes) -> Parsed:
    provider: Provider = case["provider"]
    if case["kind"] == "callback":
        return provider.parse_callback(body)
    response = ProviderResponse(
        status=case["status"], body=body, retry_after_s=case.get("retry_after_s")
    )
    if case["kind"] == "submit":
        return provider.parse_submit_response(response, case["api_version"])
    if case["kind"] == "upload":
        assert isinstance(provider, UploadProvider)
        return provider.parse_upload_response(response)
    if case["kind"] == "refresh_url":
        assert isinstance(provider, UrlRefreshProvider)
        return provider.parse_refresh_url_response(response)
    if case["kind"] == "batch_status":
        assert isinstance(provider, BatchProvider)
        return provider.parse_batch_status_response(response)
    return provider.parse_status_response(response, case["api_version"])


def parse_or_none(case: Case, body: bytes) -> Parsed | None:
    """Return None for MalformedResponseError, which a submit response must never raise."""
    try:
        return parse_case(case, body)
    except MalformedResponseError:
        assert case["kind"] != "submit"
        return None


def check(parsed: Any, expect: Case) -> None:
    """Check the type of the parsed value and the fields that the case names."""
    wanted = expect["type"]
    assert type(parsed).__name__ == (wanted if wanted != "MalformedResponseError" else "NoneType")
    if isinstance(parsed, Mapping):
        assert set(parsed) == set(expect["statuses"])
        for task_id, status in parsed.items():
            check(status, expect["statuses"][task_id])
    elif parsed is not None:
        # As in the file: tuples become lists, amounts texts.
        fields = json.loads(json.dumps(asdict(parsed), default=str))
        assert {"type": wanted, **{key: fields[key] for key in set(expect) - {"type"}}} == expect
