"""The API's endpoints that tell of changes as they happen, as server-sent events."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent
from redis.exceptions import RedisError

from ...errors import RedisUnavailableError, UnknownJobError
from ...jobs.job import Job
from . import examples
from .access import Access
from .changes import Changes
from .problems import error_responses
from .watch import Watch

STREAM = {"description": "`text/event-stream`; a comment every 15 s keeps it open."}
LastEventID = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        pattern=r"^\d{1,15}(-\d{1,15})?$",
        description="Resume after this event; the latest 10,000 changes are kept.",
    ),
]


def _stream(*examples_of_data: str) -> dict[int | str, dict[str, Any]]:
    text = "".join(f"{line}\n" for line in examples_of_data)
    return {200: {**STREAM, "content": {"text/event-stream": {"example": text}}}}


def routes(access: Access, changes: Changes, watch: Watch) -> APIRouter:
    """Follow one job, or all."""
    router = APIRouter(prefix="/v1", tags=["events"], dependencies=[Depends(access)])

    async def existing(job_id: str) -> Job:
        return await watch.get(job_id)

    @router.get(
        "/jobs/{job_id}/events",
        summary="Follow a job",
        response_class=EventSourceResponse,
        responses={**_stream("data: {...the job...}", ""), **error_responses(404, 422)},
    )
    async def follow_job(
        job: Annotated[Job, Depends(existing)],
    ) -> AsyncIterator[ServerSentEvent]:
        """The job as it is now, and again after each change; ends once the job rests."""
        # The answer has begun: what goes wrong from here on can only end it.
        with suppress(RedisUnavailableError, UnknownJobError):
            async for version in watch.versions(job.id):
                yield ServerSentEvent(raw_data=version.model_dump_json(by_alias=True))

    @router.get(
        "/events",
        summary="Follow all jobs",
        response_class=EventSourceResponse,
        responses={
            **_stream("id: 1795176000000-0", f"data: {examples.CHANGE}".replace("'", '"'), ""),
            **error_responses(422),
        },
    )
    async def follow_jobs(last_event_id: LastEventID = None) -> AsyncIterator[ServerSentEvent]:
        """Each change of each job from now on, or after `Last-Event-ID`.

        A reader that is too slow is let go: it resumes with the id of its last event. An event
        `lost` comes first where some of those changes are no longer kept.
        """
        with suppress(RedisError):
            if last_event_id and not await changes.reaches(last_event_id):
                yield ServerSentEvent(event="lost", data={"after": last_event_id})
            async for change in changes.following(last_event_id):
                data = {"job": change.job, "state": change.state}
                yield ServerSentEvent(id=change.id, data=data)

    return router
