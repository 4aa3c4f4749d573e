"""The endpoint that exports jobs as a file."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from ....jobs.filter import JobConditions
from ...client import LocalClient
from ...export import MEDIA_TYPES, ExportFormat, write_export
from ..access import Access, Caller
from ..job_query import read_conditions
from ..problems import error_responses

FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file.",
        "content": {kind.partition(";")[0]: {} for kind in MEDIA_TYPES.values()},
    }
}


def routes(client: LocalClient, access: Access) -> APIRouter:
    """Return the route; it goes before that of a job, whose id could be anything."""
    router = APIRouter(prefix="/v1/jobs", tags=["jobs"], dependencies=[Depends(access)])

    @router.get(
        "/export",
        summary="Export jobs",
        response_class=StreamingResponse,
        responses={**FILES, **error_responses(422)},
    )
    def export_jobs(
        caller: Annotated[Caller, Depends(access)],
        chosen: Annotated[JobConditions, Depends(read_conditions)],
        form: Annotated[ExportFormat, Query(alias="format")] = ExportFormat.JSONL,
    ) -> StreamingResponse:
        """Stream the caller's matching jobs, newest first, as one file."""
        pieces = write_export(client.iter_matching(chosen, caller.sees), form)
        return StreamingResponse(pieces, media_type=MEDIA_TYPES[form])

    return router
