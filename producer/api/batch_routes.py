"""The API's endpoints on batches."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ...errors import InvalidRequestError
from ...jobs.batch import Batch
from ..client import Client
from ..submission import MAX_IN_BATCH, OnError, SubmittedBatch
from . import examples
from .access import Access, Caller
from .batch_body import JSON, JSON_LINES, BatchItem, Items, read_items
from .job_routes import MAX_LISTED, REPLAYED, REPLAYED_HEADER, IdempotencyKey, JobList
from .problems import FieldProblem, error_responses

ITEM = BatchItem.model_json_schema()
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["items"],
                    "properties": {
                        "items": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": MAX_IN_BATCH,
                            "items": ITEM,
                        },
                        "on_error": {"enum": ["refuse", "skip"], "default": "refuse"},
                    },
                },
                "example": examples.BATCH_REQUEST,
            },
            **{kind: {"schema": {"type": "string"}} for kind in JSON_LINES},
        },
    }
}
ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: examples.answer(examples.ACCEPTED_BATCH, description="Queued.", headers=REPLAYED_HEADER)
}


class RefusedItem(BaseModel):
    """An item that was left out, and everything that is wrong with it."""

    index: int = Field(description="Its place among the items, from 0.")
    line: int | None = Field(None, description="Its line, from 1, where the body came in lines.")
    problems: list[FieldProblem]


class AcceptedBatch(Batch):
    """A batch, and what became of each item."""

    jobs: list[str | None] = Field(description="The items' jobs in order; null where refused.")
    refused: list[RefusedItem]


def routes(client: Client, access: Access) -> APIRouter:
    """Submit a batch, and see how far it is."""
    router = APIRouter(prefix="/v1/batches", tags=["batches"], dependencies=[Depends(access)])

    @router.post(
        "",
        summary="Queue a batch of jobs",
        status_code=202,
        openapi_extra=BODY,
        responses={**ACCEPTED, **error_responses(400, 409, 413, 415, 422, 429)},
    )
    def submit_batch(
        request: Request,
        body: Annotated[bytes, Depends(_body)],
        caller: Annotated[Caller, Depends(access)],
        response: Response,
        on_error: Annotated[OnError, Query(description="For a body in lines.")] = "refuse",
        idempotency_key: IdempotencyKey = None,
    ) -> AcceptedBatch:
        """Accept up to 5,000 jobs: all of them, or with `skip` those that are right.

        The body is one JSON object, or JSON Lines, one item on each.
        """
        items = read_items(body, request.headers.get("content-type", ""), on_error)
        access.admit(caller, len(items.items))
        try:
            done = client.submit_batch(
                items.items,
                on_error=items.on_error,
                idempotency_key=idempotency_key,
                submitted_by=caller.name,
            )
        except InvalidRequestError as error:
            raise items.placed(error) from None
        if done.replayed:
            response.headers[REPLAYED] = "true"
        return _accepted(done, items)

    @router.get("/{batch_id}", summary="Look at a batch", responses=error_responses(404, 422))
    def get_batch(batch_id: str) -> Batch:
        """How many of its jobs are in each state, and how many have ended."""
        return client.batch(batch_id)

    @router.get(
        "/{batch_id}/jobs", summary="List a batch's jobs", responses=error_responses(404, 422)
    )
    def list_batch_jobs(
        batch_id: str,
        limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = 50,
        cursor: Annotated[str | None, Query(description="That of the page before.")] = None,
    ) -> JobList:
        """Its jobs, oldest first; one whose retention is over is no longer there."""
        page = client.batch_jobs(batch_id, limit=limit, cursor=cursor)
        return JobList(jobs=page.jobs, cursor=page.cursor)

    return router


async def _body(request: Request) -> bytes:
    return await request.body()


def _accepted(done: SubmittedBatch, items: Items) -> AcceptedBatch:
    refused = [
        RefusedItem(
            index=each.index,
            line=items.line(each.index),
            problems=[FieldProblem(field=p.field, message=p.message) for p in each.problems],
        )
        for each in done.refused
    ]
    kept = done.batch.model_dump(include=set(Batch.model_fields))
    return AcceptedBatch(**kept, jobs=done.jobs, refused=refused)
