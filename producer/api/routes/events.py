"""The endpoints that stream job changes as server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from fastapi.responses import StreamingResponse
from fastapi.sse import (
    KEEPALIVE_COMMENT,
    EventSourceResponse,
    ServerSentEvent,
    format_sse_event,
)
from redis.exceptions import RedisError

from ....errors import ImageQueueError
from ....jobs.job import Job
from .. import examples
from ..access import Access, Caller
from ..changes import Change, Changes
from ..listeners import Listeners
from ..problems import error_responses
from ..watch import Watch

STREAM = {"description": "`text/event-stream`; a comment every 15 s keeps it open."}
# A stream whose session or key was removed ends within this time.
RECHECK_EVERY_S = 15.0
# nginx passes on what comes at once.
UNBUFFERED = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
LastEventID = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        pattern=r"^\d{1,15}(-\d{1,15})?$",
        description="Resume after this event; the latest 10,000 changes are stored.",
    ),
]


class EventStream(StreamingResponse):
    """Events that are formatted already, several in a chunk.

    FastAPI's own formats each event alone and passes it through two queues.
    """

    media_type = "text/event-stream"


def _stream(*examples_of_data: str) -> dict[int | str, dict[str, Any]]:
    text = "".join(f"{line}\n" for line in examples_of_data)
    return {200: {**STREAM, "content": {"text/event-stream": {"example": text}}}}


def routes(access: Access, changes: Changes, watch: Watch, listeners: Listeners) -> APIRouter:
    """Return the routes that follow one job or all jobs."""

    # Ends after the response, so it lasts as long as the stream.
    async def hold_stream(caller: Annotated[Caller, Depends(access)]) -> AsyncIterator[None]:
        with listeners.hold(caller):
            yield

    async def watch_access(
        recheck: Annotated[Callable[[], bool], Depends(access.make_recheck)],
    ) -> AsyncIterator[asyncio.Task[None]]:
        watching = asyncio.create_task(_wait_until_refused(recheck))
        try:
            yield watching
        finally:
            watching.cancel()

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
        refused: Annotated[asyncio.Task[None], Depends(watch_access)],
    ) -> AsyncIterator[ServerSentEvent]:
        """Send the job now and after each change; the stream ends when the job is finished."""
        # The response has started, so an error can only end it.
        with suppress(ImageQueueError):
            async for version in watch.iter_versions(job.id, hung_up=refused):
                yield ServerSentEvent(raw_data=version.model_dump_json(by_alias=True))

    @router.get(
        "/events",
        summary="Follow all jobs",
        response_class=EventStream,
        responses={
            **_stream("id: 1795176000000-0", f"data: {examples.CHANGE}".replace("'", '"'), ""),
            **error_responses(422, 429),
        },
    )
    async def follow_jobs(
        caller: Annotated[Caller, Depends(access)],
        refused: Annotated[asyncio.Task[None], Depends(watch_access)],
        last_event_id: LastEventID = None,
    ) -> EventStream:
        """Send each change of each of the caller's jobs from now on, or after `Last-Event-ID`.

        A reader that is too slow is disconnected; it resumes with the id of its last event. An
        event `lost` comes first if some changes since then are no longer stored.
        """
        return EventStream(iter_events(caller.sees, last_event_id, refused), headers=UNBUFFERED)

    async def iter_events(
        sees: str | None, last_id: str | None, refused: asyncio.Task[None]
    ) -> AsyncIterator[bytes]:
        with suppress(RedisError):
            if last_id and not await changes.has_all_since(last_id):
                yield format_sse_event(event="lost", data_str=json.dumps({"after": last_id}))
            async for new in changes.follow(last_id, sees, refused):
                yield b"".join(map(_format_change, new)) or KEEPALIVE_COMMENT

    return router


async def _wait_until_refused(recheck: Callable[[], bool]) -> None:
    is_admitted = True
    while is_admitted:
        await asyncio.sleep(RECHECK_EVERY_S)
        with suppress(ImageQueueError):  # Redis is away for now, and sends nothing either
            is_admitted = await asyncio.to_thread(recheck)


def _format_change(change: Change) -> bytes:
    data = json.dumps({"job": change.job, "state": change.state})
    return format_sse_event(id=change.id, data_str=data)
