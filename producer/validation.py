"""Requests, checked before anything is kept: what is right, and all that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..config.settings import Settings
from ..errors import InvalidRequestError, Problem
from ..jobs.build import accept
from ..jobs.idempotency import once
from ..jobs.job import Job
from .idempotency import described
from .uploads import UnresolvedRequest, draft, finish

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refused:
    """An item that was not accepted, and everything that is wrong with it."""

    index: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class ValidRequest:
    """A request that is right; it is a job already, unless its files are to be uploaded."""

    index: int
    fields: Fields
    """As an idempotency key stands for it."""
    key: str | None
    checked: Job | UnresolvedRequest


@dataclass(frozen=True, kw_only=True)
class RequestValidator:
    """Checks the requests of a caller; with `files`, their `image` may name files from here."""

    settings: Settings
    now: Callable[[], datetime]
    caller: str = ""
    batch: str | None = None
    files: bool = False

    def check(self, fields: Fields, key: str | None = None, index: int = 0) -> ValidRequest:
        """The request; raises InvalidRequestError with every problem, or ConfigError."""
        if self.files and "image" in fields:
            drawn = draft(self.settings, fields, self.now())
            return ValidRequest(index, described(drawn), key, drawn)
        return ValidRequest(index, fields, key, self._accept(fields))

    def check_each(self, items: Iterable[object]) -> tuple[list[ValidRequest], list[Refused]]:
        """What is right and what is not; an item may have an `idempotency_key` of its own."""
        wanted: list[ValidRequest] = []
        refused: list[Refused] = []
        first: dict[str, int] = {}
        for index, item in enumerate(items):
            try:
                fields, key = _split(item, first, index)
                wanted.append(self.check(fields, key, index))
            except InvalidRequestError as error:
                refused.append(Refused(index, error.problems))
        return wanted, refused

    def job(self, wanted: ValidRequest) -> Job:
        """The job that is to be kept; its files are uploaded now, which may raise UploadError."""
        if isinstance(wanted.checked, Job):
            return wanted.checked
        return self._accept(finish(self.settings, wanted.checked))

    def _accept(self, fields: Fields) -> Job:
        return accept(self.settings, fields, self.now(), submitted_by=self.caller, batch=self.batch)


def problems_of(refused: Iterable[Refused]) -> list[Problem]:
    """The problems of all items, each field with its item's index before it."""
    return [
        Problem(f"{item.index}.{problem.field}", problem.message)
        for item in refused
        for problem in item.problems
    ]


def _split(item: object, first: dict[str, int], index: int) -> tuple[Fields, str | None]:
    """A request and its key; the same key twice would make one job of two items."""
    if not isinstance(item, Mapping):
        raise InvalidRequestError([Problem("request", "must be a JSON object")])
    fields = dict(item)
    key = fields.pop("idempotency_key", None)
    if key is None:
        return fields, None
    if not isinstance(key, str):
        raise InvalidRequestError([Problem("idempotency_key", "must be text")])
    once(key, {})  # refuses one that is too long
    if first.setdefault(key, index) != index:
        words = f"is that of item {first[key]} already"
        raise InvalidRequestError([Problem("idempotency_key", words)])
    return fields, key
