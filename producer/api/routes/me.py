"""The endpoint that says who the caller is."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from ....providers.request import Priority
from ....store.callers.roles import Role
from ..access import Access, Caller


class Me(BaseModel):
    """The caller and its rights."""

    name: str = Field(description="Of its API key; `local` without one.")
    role: Role
    reads_all: bool = Field(description="Whether it reads the jobs of every caller.")
    max_priority: Priority = Field(description="The highest priority that its jobs may have.")


def routes(access: Access) -> APIRouter:
    """Return the route."""
    router = APIRouter(prefix="/v1", tags=["operations"], dependencies=[Depends(access)])

    @router.get("/me", summary="Get your own rights")
    def get_me(caller: Annotated[Caller, Depends(access)]) -> Me:
        """Return the name and the role of the API key that was sent."""
        return Me(
            name=caller.name,
            role=caller.role,
            reads_all=caller.sees is None,
            max_priority=caller.max_priority,
        )

    return router
