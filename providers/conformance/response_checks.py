"""What a provider's parsers have to hold: exact on recorded bodies, harmless on any other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, cast, get_args

from ..base import BatchProvider, UrlRefreshProvider
from ..synchronous import SynchronousProvider
from ..uploads import UploadOutcome, UploadProvider
from ..wire import (
    Accepted,
    Failed,
    InlineImage,
    MalformedResponseError,
    OutcomeUnknown,
    Refused,
    ResultImage,
    RetryLater,
    StatusUnavailable,
    SubmitOutcome,
    Succeeded,
    TaskStatus,
    TryOtherVersion,
    Unreadable,
)
from .cases import MALFORMED, Case, Subject
from .hostile import HOSTILE, list_hostile

REQUIRED: Mapping[str, frozenset[str]] = {
    "submit": frozenset({"Accepted", "RetryLater", "Refused", "OutcomeUnknown"}),
    "status": frozenset(
        {"Pending", "Succeeded", "Failed", "TaskNotFound", "StatusUnavailable", MALFORMED}
    ),
    "callback": frozenset({"Succeeded", "Failed", MALFORMED}),
}
"""The results that recorded bodies of each kind must have."""
REQUIRED_OF = {
    BatchProvider: ("batch_status", frozenset({"dict", "StatusUnavailable", MALFORMED})),
    UploadProvider: ("upload", frozenset({"Uploaded", "Refused", "RetryLater", MALFORMED})),
    UrlRefreshProvider: ("refresh_url", frozenset({"ResultImage", MALFORMED})),
}
"""The same for what not every provider has."""

MAX_MESSAGE = 300
ALLOWED: Mapping[str, tuple[type, ...]] = {
    "submit": get_args(SubmitOutcome),
    "status": get_args(TaskStatus),
    "callback": get_args(TaskStatus),
    "batch_status": (StatusUnavailable,),
    "upload": get_args(UploadOutcome),
    "refresh_url": (ResultImage,),
}


def check_recorded(subject: Subject) -> Iterator[str]:
    """Its recorded bodies give what they expect, each time."""
    for case in subject.cases:
        if difference := case.find_difference() or case.find_difference():
            yield f"{case.name} {difference}"


def check_coverage(subject: Subject) -> Iterator[str]:
    """Every kind of response is recorded."""
    is_synchronous = isinstance(subject.provider, SynchronousProvider)
    required = {"submit": REQUIRED["submit"]} if is_synchronous else dict(REQUIRED)
    required |= {
        kind: types
        for base, (kind, types) in REQUIRED_OF.items()
        if isinstance(subject.provider, base)
    }
    for kind, types in required.items():
        found = {case.expect["type"] for case in subject.of_kind(kind)}
        if missing := types - found:
            yield f"record a {kind} that gives {', '.join(sorted(missing))}"
    accepted = {case.api_version for case in subject.of_kind("submit", "Accepted")}
    if untried := {*subject.provider.api_versions} - accepted:
        yield f"record an accepted submission in {', '.join(sorted(untried))}"


def check_unknown_answers(subject: Subject) -> Iterator[str]:
    """An answer that does not say what became of a paid request is OutcomeUnknown."""
    for provider in subject.provider.services:
        for api_version in provider.api_versions:
            case = Case(
                name="",
                provider=provider,
                kind="submit",
                expect={},
                content=b"",
                api_version=api_version,
            )
            for content in HOSTILE:
                for status in (200, 500, 502, 504):
                    outcome = case.parse(content, status)
                    if not isinstance(outcome, OutcomeUnknown):
                        yield f"HTTP {status} with {content[:40]!r} gives {_name(outcome)}"


def check_accepted_tasks(subject: Subject) -> Iterator[str]:
    """A response with a task's id is never sent again, whatever its HTTP status is."""
    for case in subject.of_kind("submit", "Accepted"):
        for status in (400, 408, 429, 500, 503):
            outcome = case.parse(status=status)
            if isinstance(outcome, RetryLater | TryOtherVersion):
                yield f"{case.name} with HTTP {status} gives {_name(outcome)}"


def check_results(subject: Subject) -> Iterator[str]:
    """Refusals and failures have a reason, a code and a message; successes have URLs."""
    for case in subject.cases:
        try:
            parsed = case.parse()
        except MalformedResponseError:
            continue
        each = parsed.values() if isinstance(parsed, Mapping) else [parsed]
        for one in each:
            if isinstance(one, Refused | Failed | RetryLater) and not (one.code and one.message):
                yield f"{case.name} gives {_name(one)} without a code or a message"
            if isinstance(one, Succeeded) and not any(i.kind == "result" for i in one.images):
                yield f"{case.name} gives Succeeded without a result URL"


def check_hostile_bodies(subject: Subject) -> Iterator[str]:
    """No body breaks a parser, or gets an unsafe value through."""
    for case in subject.cases:
        for content in (*HOSTILE, *list_hostile(case.content, case.body)):
            try:
                parsed = case.parse(content)
            except MalformedResponseError:
                if case.kind == "submit":
                    yield f"a submit response raises {MALFORMED}: give OutcomeUnknown"
                continue
            except Exception as error:
                yield f"{case.kind}: {content[:120]!r} raises {type(error).__name__}: {error}"[:300]
                continue
            if problem := _find_harm(case.kind, parsed):
                yield f"{case.kind}: {content[:120]!r} {problem}"
            elif content in HOSTILE and isinstance(parsed, Succeeded | Failed | Unreadable):
                yield f"{case.kind}: {content[:40]!r} gives {_name(parsed)}"


def _find_harm(kind: str, parsed: Any) -> str | None:
    """Return what is wrong with a value that is stored, logged and fetched."""
    if isinstance(parsed, Mapping) and kind == "batch_status":
        return next(filter(None, (_find_harm("status", each) for each in parsed.values())), None)
    if not isinstance(parsed, ALLOWED[kind]):
        return f"gives {_name(parsed)}"
    if isinstance(parsed, Accepted) and not parsed.task_id:
        return "gives Accepted without a task's id"
    if len(getattr(parsed, "message", "")) > MAX_MESSAGE:
        return f"gives a message of more than {MAX_MESSAGE} characters"
    for image in getattr(parsed, "images", ()):
        if isinstance(image, InlineImage) and image.content:
            continue
        if not image.url.lower().startswith(("http://", "https://")):
            return f"gives the URL {image.url!r:.60}"
    try:
        json.dumps(asdict(cast(Any, parsed)), default=str, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "gives a text that is not valid Unicode"
    return None


def check_callbacks(subject: Subject) -> Iterator[str]:
    """Its callbacks are matched to their tasks."""
    if isinstance(subject.provider, SynchronousProvider):
        return
    other = "another-task-0123"
    named = 0
    for case in subject.of_kind("callback", "Succeeded", "Failed", "Pending"):
        task_id = getattr(case.parse(), "task_id", None)
        if not task_id or task_id.encode() not in case.content:
            continue
        named += isinstance(case.parse(), Succeeded)
        changed = case.parse(case.content.replace(task_id.encode(), other.encode()))
        if getattr(changed, "task_id", None) != other:
            yield f"{case.name}: with another task's id, it is still of task {task_id}"
    if not named:
        yield "no recorded callback of a success names its task"


def _name(value: object) -> str:
    return type(value).__name__


RESPONSE_CHECKS = (
    check_recorded,
    check_coverage,
    check_unknown_answers,
    check_accepted_tasks,
    check_results,
    check_hostile_bodies,
    check_callbacks,
)
