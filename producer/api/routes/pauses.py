"""The endpoints that pause and resume submissions."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from ....field_types import Name
from ....store.submit.pauses import Pause
from ...pauses import MAX_REASON_CHARACTERS, PauseControl
from ..access import Access, Caller, require_admin
from ..problems import error_responses


class PauseRequest(BaseModel):
    """What to pause, and why."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(
        description="`all`, a provider, or a key, as `ACCOUNT:KEY`.", examples=["all"]
    )
    reason: str = Field("", max_length=MAX_REASON_CHARACTERS)


class PauseList(BaseModel):
    """The pauses in force."""

    pauses: list[Pause]


def routes(pauses: PauseControl, access: Access) -> APIRouter:
    """Return the routes that list, begin and end pauses."""
    router = APIRouter(prefix="/v1/pauses", tags=["pauses"], dependencies=[Depends(access)])

    @router.get("", summary="List pauses")
    def list_pauses(caller: Annotated[Caller, Depends(access)]) -> PauseList:
        """List what is not sent for now, those that a provider caused included.

        Only an admin key reads who paused it, and what the provider said.
        """
        return PauseList(pauses=pauses.list_all(redacted=not caller.is_admin))

    @router.post(
        "", summary="Pause submissions", status_code=201, responses=error_responses(400, 413, 422)
    )
    def pause(request: PauseRequest, caller: Annotated[Caller, Depends(access)]) -> Pause:
        """Send no job until it is resumed: queued jobs keep their place. Needs an admin key."""
        require_admin(caller)
        return pauses.pause(request.name, request.reason, caller.name)

    @router.delete(
        "/{name:path}",
        summary="Resume submissions",
        status_code=204,
        responses=error_responses(404, 422),
    )
    def resume(name: str, caller: Annotated[Caller, Depends(access)]) -> None:
        """End every pause of a name, also those that a provider caused. Needs an admin key."""
        require_admin(caller)
        pauses.resume(name)

    return router
