"""The endpoints that stream job changes as server-sent events."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent
from redis.exceptions import RedisError

from ....errors import ImageQueueError
from ....jobs.job import Job
from .. import examples
from ..access import Access, Caller
from ..changes import Changes
from ..listeners import Listeners
from ..problems import error_responses
from ..watch import Watch

STREAM = {"description": "`text/event-stream`; a comment every 15 s keeps it open."}
LastEventID = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        pattern=r"^\d{1,15}(-\d{1,15})?$",
        description="Resume after this event; the latest 10,000 changes are stored.",
    ),
]


def _stream(*examples_of_data: str) -> dict[int | str, dict[str, Any]]:
    text = "".join(f"{line}\n" for line in examples_of_data)
    return {200: {**STREAM, "content": {"text/event-stream": {"example": text}}}}


def routes(access: Access, changes: Changes, watch: Watch, listeners: Listeners) -> APIRouter:
    """Return the routes that follow one job or all jobs."""

    # Ends after the response, so it lasts as long as the stream.
    async def hold_stream(caller: Annotated[Caller, Depends(access)]) -> AsyncIterator[None]:
        with listeners.hold(caller):
            yield

    router = APIRouter(prefix="/v1", tags=["events"], dependencies=[Depends(hold_stream)])

    async def get_existing(job_id: str, caller: Annotated[Caller, Depends(access)]) -> Job:
        return await watch.get(job_id, caller.sees)

    @router.get(
        "/jobs/{job_id}/events",
        summary="Follow a job",
        response_class=EventSourceResponse,
        responses={**_stream("data: {...the job...}", ""), **error_responses(404, 422, 429)},
    )
    async def follow_job(
        job: Annotated[Job, Depends(get_existing)],
    ) -> AsyncIterator[ServerSentEvent]:
        """Send the job now and after each change; the stream ends when the job is finished."""
        # The response has started, so an error can only end it.
        with suppress(ImageQueueError):
            async for version in watch.iter_versions(job.id):
                yield ServerSentEvent(raw_data=version.model_dump_json(by_alias=True))

    @router.get(
        "/events",
        summary="Follow all jobs",
        response_class=EventSourceResponse,
        responses={
            **_stream("id: 1795176000000-0", f"data: {examples.CHANGE}".replace("'", '"'), ""),
            **error_responses(422, 429),
        },
    )
    async def follow_jobs(
        caller: Annotated[Caller, Depends(access)], last_event_id: LastEventID = None
    ) -> AsyncIterator[ServerSentEvent]:
        """Send each change of each of the caller's jobs from now on, or after `Last-Event-ID`.

        A reader that is too slow is disconnected; it resumes with the id of its last event. An
        event `lost` comes first if some changes since then are no longer stored.
        """
        with suppress(RedisError):
            if last_event_id and not await changes.has_all_since(last_event_id):
                yield ServerSentEvent(event="lost", data={"after": last_event_id})
            async for change in changes.follow(last_event_id, caller.sees):
                data = {"job": change.job, "state": change.state}
                yield ServerSentEvent(id=change.id, data=data)

    return router
