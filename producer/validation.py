"""Validation of requests before anything is stored: every problem is found, not just the first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ..config.settings import Settings
from ..errors import InvalidRequestError, Problem
from ..jobs.build import NO_WEBHOOK, build_job
from ..jobs.caller_webhook import CallerWebhook
from ..jobs.chain import Known, check_needed, list_needed, list_uploads
from ..jobs.hand_over import check_hand_over
from ..jobs.idempotency import build_idempotency_key
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
    digests: Mapping[str, str] = field(default_factory=dict)
    """The digests of the uploads in `image_urls`, by their ids."""


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
    webhook: CallerWebhook = NO_WEBHOOK
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
            return self._check(given, {}, key, index)
        if not self.files or "image" not in given:
            return self._check(parse_request(given), given, key, index)
        found = find_files(given)
        try:
            valid = self._check(parse_request(found.fields), found.fields, key, index)
        except InvalidRequestError as error:
            raise InvalidRequestError([*error.problems, *found.problems]) from None
        if found.problems:
            raise InvalidRequestError(found.problems)
        return replace(valid, images=found.images)

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

    def _check(
        self, request: JobRequest, fields: Fields, key: str | None, index: int
    ) -> ValidRequest:
        if PRIORITIES.index(request.priority) < PRIORITIES.index(self.max_priority):
            words = (
                f"is {request.priority}, and the API key {self.caller} allows {self.max_priority} "
                f"at most; `imagequeue keys limit {self.caller} --max-priority` changes that"
            )
            raise InvalidRequestError([Problem("priority", words)])
        known = self._find_needed(request)
        stored = check_needed(request, list_needed(request), known) if known else {}
        job = build_job(
            self.settings,
            request,
            self.now(),
            submitted_by=self.caller,
            batch=self.batch,
            webhook=self.webhook,
        )
        check_hand_over(self.settings, request, stored)
        uploads = known.uploads.values() if known else ()
        digests = {each.id: f"sha256:{each.sha256}" for each in uploads if each.sha256}
        return ValidRequest(index, key, fields, request, job, digests=digests)

    def _find_needed(self, request: JobRequest) -> Known | None:
        """Return the jobs and uploads that a request needs; None if it needs none."""
        needed, uploads = list_needed(request), list_uploads(request.image_urls, request.params)
        if not (needed or uploads):
            return None
        jobs = {each.id: each for each in self.find_jobs(needed) if self._may_see(each)}
        found = {each.id: each for each in self.find_uploads(uploads) if self._may_see(each)}
        return Known(jobs, found, self.now())

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
