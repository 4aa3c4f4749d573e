"""The endpoints that cancel, retry or acknowledge many jobs in one request."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ....errors import ImageQueueError
from ....field_types import Name
from ....jobs.filter import JobFilter
from ...bulk import MAX_IDS, BulkOptions, BulkStep
from ...bulk_report import BulkReport
from ...client import LocalClient
from ...commands import Action
from ..access import Access, Caller
from ..problems import error_responses
from .jobs import IdempotencyKey

REPORTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "One report on each line, after each 200 jobs. The last one is `finished`, "
        "or has an `error`; without either, the connection was lost: repeat the request.",
        "model": BulkReport,
    }
}


class JsonLines(StreamingResponse):
    """A response of JSON Lines."""

    media_type = "application/x-ndjson"


class BulkRequest(BaseModel):
    """The jobs to change: `ids` or a `filter`."""

    model_config = ConfigDict(extra="forbid")

    ids: list[Name] | None = Field(None, min_length=1, max_length=MAX_IDS)
    filter: JobFilter | None = None
    dry_run: bool = Field(False, description="Report what would be done, and do nothing.")
    pay_again: bool = Field(False, description="Allow a retry to pay a second time for each job.")

    @model_validator(mode="after")
    def _require_one(self) -> "BulkRequest":
        if (self.ids is None) == (self.filter is None):
            raise ValueError("give either ids or a filter")
        return self


def routes(client: LocalClient, access: Access, is_closing: Callable[[], bool]) -> APIRouter:
    """Return the route of all bulk actions; when the process closes, they end early."""
    router = APIRouter(prefix="/v1", tags=["jobs"], dependencies=[Depends(access)])

    @router.post(
        "/jobs:{action}",
        summary="Change many jobs",
        response_class=JsonLines,
        responses={**REPORTS, **error_responses(400, 404, 409, 413, 422)},
    )
    def change_jobs(
        action: Action,
        request: BulkRequest,
        caller: Annotated[Caller, Depends(access)],
        idempotency_key: IdempotencyKey = None,
    ) -> JsonLines:
        """Cancel, retry or acknowledge jobs in chunks; one that cannot be changed stops no other.

        What was done before an interruption stays done, and repeating the request does the rest.
        Repeat a paid retry with its `Idempotency-Key`: jobs that it has retried are then left out.
        """
        options = BulkOptions(
            dry_run=request.dry_run,
            pay_again=request.pay_again,
            submitted_by=caller.sees,
            idempotency_key=idempotency_key,
            key_owner=caller.name,
            acquire=lambda jobs: access.acquire(caller, jobs),
        )
        selected = request.filter or request.ids or []
        steps = client.iter_bulk(action, selected, options)
        first = next(steps)  # its errors still have a status
        return JsonLines(_iter_lines(first, steps, is_closing))

    return router


def _iter_lines(
    first: BulkStep, others: Iterator[BulkStep], is_closing: Callable[[], bool]
) -> Iterator[str]:
    """Yield each report as a line; the server runs each step in a thread."""
    step = first
    try:
        for step in chain([first], others):
            yield f"{step.report.model_dump_json()}\n"
            if is_closing():
                return
    except ImageQueueError as error:
        failed = step.report.model_copy(update={"error": str(error), "problems": []})
        yield f"{failed.model_dump_json()}\n"
