"""The endpoints of batches."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ....errors import InvalidRequestError
from ....jobs.batch import Batch, ListedBatch
from ...client import LocalClient
from ...submission import MAX_IN_BATCH, OnError, SubmittedBatch
from .. import examples
from ..access import Access, Caller
from ..batch_body import JSON, JSON_LINES, BatchItem, Items, parse_items
from ..problems import FieldProblem, error_responses
from .jobs import MAX_LISTED, REPLAYED, IdempotencyKey, JobList, describe_accepted

ITEM = BatchItem.model_json_schema(ref_template="#/components/schemas/{model}")
# They are among the document's own schemas, as a single job refers to them, too.
ITEM.pop("$defs", None)
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
ACCEPTED = describe_accepted(
    examples.ACCEPTED_BATCH, "keys returned the original job of every item"
)


class RefusedItem(BaseModel):
    """An item that was refused, and everything that is wrong with it."""

    index: int = Field(description="Position among the items, from 0.")
    line: int | None = Field(None, description="Line of a JSON Lines body, from 1.")
    problems: list[FieldProblem]


class AcceptedBatch(Batch):
    """A batch, and the result of each item."""

    jobs: list[str | None] = Field(
        description="The id of each item's job in order; null for a refused item."
    )
    refused: list[RefusedItem]


class BatchList(BaseModel):
    """A page of batches."""

    batches: list[ListedBatch]
    cursor: str | None = Field(description="Pass it to get the next page.")


def routes(client: LocalClient, access: Access) -> APIRouter:
    """Return the routes that submit a batch and report its progress."""
    router = APIRouter(prefix="/v1/batches", tags=["batches"], dependencies=[Depends(access)])

    @router.post(
        "",
        summary="Queue a batch of jobs",
        status_code=202,
        openapi_extra=BODY,
        responses={**ACCEPTED, **error_responses(400, 402, 409, 413, 415, 422, 429)},
    )
    def submit_batch(
        request: Request,
        body: Annotated[bytearray, Depends(_read_body)],
        caller: Annotated[Caller, Depends(access)],
        response: Response,
        on_error: Annotated[OnError, Query(description="For a JSON Lines body.")] = "refuse",
        idempotency_key: IdempotencyKey = None,
    ) -> AcceptedBatch:
        """Accept up to 5,000 jobs: all or none, or with `skip` the valid ones.

        The body is one JSON object, or JSON Lines with one item per line.
        """
        items = parse_items(body, request.headers.get("content-type", ""), on_error)
        access.acquire(caller, len(items))
        try:
            submitted = client.submit_batch(
                items,
                on_error=items.on_error,
                idempotency_key=idempotency_key,
                submitted_by=caller.name,
                sees=caller.sees,
                max_priority=caller.max_priority,
            )
        except InvalidRequestError as error:
            raise items.locate(error) from None
        if submitted.replayed:
            response.headers[REPLAYED] = "true"
        return _to_response(submitted, items)

    @router.get("", summary="List batches", responses=error_responses(422))
    def list_batches(
        caller: Annotated[Caller, Depends(access)],
        limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = 50,
        cursor: Annotated[
            str | None, Query(description="The `cursor` of the previous page.")
        ] = None,
    ) -> BatchList:
        """List the batches of the last 90 days, newest first.

        A page may have fewer than `limit` although there are more: then it has a cursor.
        """
        page = client.list_batches(limit=limit, cursor=cursor, submitted_by=caller.sees)
        return BatchList(batches=[each.to_batch() for each in page.batches], cursor=page.cursor)

    @router.get("/{batch_id}", summary="Get a batch", responses=error_responses(404, 422))
    def get_batch(batch_id: str, caller: Annotated[Caller, Depends(access)]) -> Batch:
        """Return how many of its jobs are in each state, and how many are finished."""
        return client.batch(batch_id, submitted_by=caller.sees)

    @router.get(
        "/{batch_id}/jobs", summary="List a batch's jobs", responses=error_responses(404, 422)
    )
    def list_batch_jobs(
        batch_id: str,
        caller: Annotated[Caller, Depends(access)],
        limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = 50,
        cursor: Annotated[
            str | None, Query(description="The `cursor` of the previous page.")
        ] = None,
    ) -> JobList:
        """List its jobs, oldest first, without those deleted after their retention."""
        page = client.batch_jobs(batch_id, limit=limit, cursor=cursor, submitted_by=caller.sees)
        return JobList(jobs=page.jobs, cursor=page.cursor)

    return router


async def _read_body(request: Request) -> bytearray:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
    return body


def _to_response(submitted: SubmittedBatch, items: Items) -> AcceptedBatch:
    refused = [
        RefusedItem(
            index=each.index,
            line=items.get_line_number(each.index),
            problems=[FieldProblem(field=p.field, message=p.message) for p in each.problems],
        )
        for each in submitted.refused
    ]
    batch = submitted.batch.model_dump(include=set(Batch.model_fields))
    return AcceptedBatch(**batch, jobs=submitted.jobs, refused=refused)
