"""The endpoint that lists the processes of the deployment."""

from typing import Annotated

import redis
from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from ....config.redis import reachable
from ....config.settings import Settings
from ....store.deployment.processes import Process, list_processes
from ...processes import find_problems
from ..access import Access, Caller, require_admin


class ProcessList(BaseModel):
    """The processes that run, and what is wrong with them together."""

    processes: list[Process]
    problems: list[str] = Field(description="What differs or is missing, and what to do.")


def routes(settings: Settings, client: redis.Redis, access: Access) -> APIRouter:
    """Return the route that lists processes."""
    router = APIRouter(prefix="/v1", tags=["operations"], dependencies=[Depends(access)])

    @router.get("/processes", summary="List processes")
    def get_processes(caller: Annotated[Caller, Depends(access)]) -> ProcessList:
        """List the workers, receivers and APIs that run, wherever they do. Needs an admin key."""
        require_admin(caller)
        with reachable():
            processes = list_processes(client)
        problems = list(find_problems(processes, settings))
        return ProcessList(processes=processes, problems=problems)

    return router
