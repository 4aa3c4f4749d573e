"""Validation of requests before anything is stored: every problem is found, not just the first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..config.settings import Settings
from ..errors import InvalidRequestError, Problem
from ..jobs.build import build_job
from ..jobs.chain import Known, check_needed, list_needed, list_uploads
from ..jobs.hand_over import check_hand_over
from ..jobs.idempotency import build_idempotency_key
from ..jobs.image import StoredImage
from ..jobs.job import Job
from ..jobs.upload import Upload
from ..providers.request import PRIORITIES, JobRequest, Priority, parse_request
from .uploads import ImageFile, find_files

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """An item that was not accepted, and everything that is wrong with it."""

    index: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class ValidRequest:
    """A request that passed every check, parsed once, and the job built from it."""

    index: int
    key: str | None
    fields: Fields
    """As submitted; a batch's idempotency key covers these."""
    request: JobRequest
    job: Job
    images: tuple[str | ImageFile, ...] = ()
    """URLs and files that replace `image_urls` once the files are uploaded; empty without files."""


@dataclass(frozen=True, kw_only=True)
class RequestValidator:
    """Validates a caller's requests; with `files`, their `image` may name local files."""

    settings: Settings
    now: Callable[[], datetime]
    find_jobs: Callable[[Sequence[str]], Iterable[Job]] = lambda _: ()
    """Returns those of several jobs that exist."""
    find_uploads: Callable[[Sequence[str]], Iterable[Upload]] = lambda _: ()
    """Returns those of several uploads that exist."""
    caller: str = ""
    sees: str | None = None
    """Whose jobs and uploads a request may need: a caller's own, or None for everybody's."""
    batch: str | None = None
    files: bool = False
    max_priority: Priority = "high"

    def check(
        self, given: Fields | JobRequest, key: str | None = None, index: int = 0
    ) -> ValidRequest:
        """Return the valid request; raises InvalidRequestError with every problem, or ConfigError.

        A JobRequest was parsed before, and is not parsed again.
        """
        if isinstance(given, JobRequest):
            return ValidRequest(index, key, {}, given, self._build_job(given))
        if not self.files or "image" not in given:
            request = parse_request(given)
            return ValidRequest(index, key, given, request, self._build_job(request))
        found = find_files(given)
        try:
            request = parse_request(found.fields)
            job = self._build_job(request)
        except InvalidRequestError as error:
            raise InvalidRequestError([*error.problems, *found.problems]) from None
        if found.problems:
            raise InvalidRequestError(found.problems)
        return ValidRequest(index, key, found.fields, request, job, found.images)

    def check_each(
        self, items: Iterable[object]
    ) -> tuple[list[ValidRequest], list[RefusedRequest]]:
        """Sort items into valid and refused; each may have an `idempotency_key` of its own."""
        valid: list[ValidRequest] = []
        refused: list[RefusedRequest] = []
        first: dict[str, int] = {}
        for index, item in enumerate(items):
            try:
                fields, key = _split_key(item, first, index)
                valid.append(self.check(fields, key, index))
            except InvalidRequestError as error:
                refused.append(RefusedRequest(index, error.problems))
        return valid, refused

    def _build_job(self, request: JobRequest) -> Job:
        if PRIORITIES.index(request.priority) < PRIORITIES.index(self.max_priority):
            words = (
                f"is {request.priority}, and the API key {self.caller} allows {self.max_priority} "
                f"at most; `imagequeue keys limit {self.caller} --max-priority` changes that"
            )
            raise InvalidRequestError([Problem("priority", words)])
        stored = self._check_needed(request)
        job = build_job(
            self.settings, request, self.now(), submitted_by=self.caller, batch=self.batch
        )
        check_hand_over(self.settings, request, stored)
        return job

    def _check_needed(self, request: JobRequest) -> list[StoredImage]:
        needed, uploads = list_needed(request), list_uploads(request.image_urls)
        if not (needed or uploads):
            return []
        jobs = {each.id: each for each in self.find_jobs(needed) if self._may_see(each)}
        known = {each.id: each for each in self.find_uploads(uploads) if self._may_see(each)}
        return check_needed(request, needed, Known(jobs, known, self.now()))

    def _may_see(self, needed: Job | Upload) -> bool:
        return self.sees in (None, needed.submitted_by)


def refuse_all(refused: Sequence[RefusedRequest]) -> InvalidRequestError:
    """Return one error for all items, with the item's index before each field."""
    return InvalidRequestError(
        [
            Problem(f"{item.index}.{problem.field}", problem.message)
            for item in refused
            for problem in item.problems
        ]
    )


def _split_key(item: object, first: dict[str, int], index: int) -> tuple[Fields, str | None]:
    """Return an item's request and key; raises InvalidRequestError if an earlier item has the key.

    The same key twice would make one job of two items.
    """
    if isinstance(item, list):
        words = "is a list: give one JSON object for each job, and each on a line of its own"
        raise InvalidRequestError([Problem("request", words)])
    if not isinstance(item, Mapping):
        raise InvalidRequestError([Problem("request", "must be a JSON object")])
    fields = dict(item)
    key = fields.pop("idempotency_key", None)
    if key is None:
        return fields, None
    if not isinstance(key, str):
        raise InvalidRequestError([Problem("idempotency_key", "must be text")])
    build_idempotency_key(key, {})  # raises for a key of the wrong length
    if first.setdefault(key, index) != index:
        words = f"is already used by item {first[key]}"
        raise InvalidRequestError([Problem("idempotency_key", words)])
    return fields, key
