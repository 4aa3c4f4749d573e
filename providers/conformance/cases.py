"""Recorded bodies: JSON files that say what was received and what it has to be parsed to.

`kind` is `submit`, `status`, `callback`, `batch_status`, `upload` or `refresh_url`; `status` the
HTTP status; `body` JSON, or `raw` text; `expect` the type of the result and some of its fields.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..base import BatchProvider, Provider, UrlRefreshProvider
from ..uploads import UploadOutcome, UploadProvider
from ..wire import (
    MalformedResponseError,
    ProviderResponse,
    ResultImage,
    StatusUnavailable,
    SubmitOutcome,
    TaskStatus,
)

MALFORMED = MalformedResponseError.__name__

Parsed = (
    SubmitOutcome
    | TaskStatus
    | UploadOutcome
    | ResultImage
    | Mapping[str, TaskStatus]
    | StatusUnavailable
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One recorded body of a provider."""

    name: str
    provider: Provider
    kind: str
    expect: Mapping[str, Any]
    content: bytes
    body: Any = None
    """The content as JSON; None if it is not JSON."""
    status: int = 200
    retry_after_s: float | None = None
    api_version: str
    params: Mapping[str, Any] = field(default_factory=dict)
    """Those of the request, where they choose a service."""

    def parse(self, content: bytes | None = None, status: int | None = None) -> Parsed:
        """Parse the recorded content, or other content in its place.

        Raises MalformedResponseError.
        """
        content = self.content if content is None else content
        provider = self.provider.select(self.params)
        if self.kind == "callback":
            return provider.parse_callback(content)
        response = ProviderResponse(
            status=self.status if status is None else status,
            body=content,
            retry_after_s=self.retry_after_s,
        )
        match self.kind, provider:
            case "submit", _:
                return provider.parse_submit_response(response, self.api_version)
            case "status", _:
                return provider.parse_status_response(response, self.api_version)
            case "batch_status", BatchProvider():
                return provider.parse_batch_status_response(response)
            case "upload", UploadProvider():
                return provider.parse_upload_response(response)
            case "refresh_url", UrlRefreshProvider():
                return provider.parse_refresh_url_response(response)
        raise ValueError(f"{self.name}: {provider.name} has no responses of kind {self.kind}")

    def find_difference(self) -> str | None:
        """Return how the parsed value differs from the expected one; None if it does not."""
        try:
            parsed: Any = self.parse()
        except MalformedResponseError:
            parsed = None
        return _compare(parsed, self.expect)


@dataclass(frozen=True)
class Subject:
    """A provider under test, and its recorded bodies."""

    provider: Provider
    cases: Sequence[Case]

    def of_kind(self, kind: str, *types: str) -> list[Case]:
        """Return the bodies of a kind, or only those that are parsed to one of some types."""
        found = [case for case in self.cases if case.kind == kind]
        return [case for case in found if not types or case.expect["type"] in types]


def load_cases(provider: Provider, folder: Path) -> list[Case]:
    """Return the recorded bodies in a folder, or in the one with the provider's name in it.

    Raises ValueError for a file that is not a recorded body.
    """
    own = folder / provider.name
    paths = sorted((own if own.is_dir() else folder).glob("*.json"))
    return [load_case(provider, path) for path in paths]


def load_case(provider: Provider, path: Path) -> Case:
    """Return one recorded body; raises ValueError if the file is none."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        fields.pop("source", None)
        raw = fields.pop("raw", None)
        content = (json.dumps(fields.get("body")) if raw is None else raw).encode()
        defaults = {"name": path.name, "api_version": provider.api_versions[0]}
        return Case(provider=provider, content=content, **{**defaults, **fields})
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a recorded body: {error}") from None


def _compare(parsed: Any, expect: Mapping[str, Any]) -> str | None:
    wanted = expect["type"]
    found = MALFORMED if parsed is None else type(parsed).__name__
    if found != wanted:
        return f"gives {found} instead of {wanted}"
    if isinstance(parsed, Mapping):
        statuses = expect["statuses"]
        if set(parsed) != set(statuses):
            return f"gives the tasks {sorted(parsed)} instead of {sorted(statuses)}"
        each = (_compare(status, statuses[task_id]) for task_id, status in parsed.items())
        return next((difference for difference in each if difference), None)
    # As in the file: tuples become lists, amounts texts.
    fields = json.loads(json.dumps(asdict(parsed), default=str)) if parsed else {}
    wrong = [name for name in expect if name != "type" and fields.get(name) != expect[name]]
    return f"gives {wrong[0]} {fields.get(wrong[0])!r}" if wrong else None
