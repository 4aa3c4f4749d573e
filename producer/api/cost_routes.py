"""The endpoint that reports what was spent."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from ..client import Client
from .access import Access, Caller
from .problems import error_responses


class CostReport(BaseModel):
    """What was spent, one object for each group."""

    costs: list[dict[str, Any]]


def routes(client: Client, access: Access) -> APIRouter:
    """Return the route of the report."""
    router = APIRouter(prefix="/v1/costs", tags=["costs"], dependencies=[Depends(access)])

    @router.get("", summary="Report costs", responses=error_responses(404, 422))
    def get_costs(
        caller: Annotated[Caller, Depends(access)],
        by: Annotated[
            str, Query(description="`day`, `provider`, `model`, `key` and `caller`, with commas.")
        ] = "day",
        since: Annotated[date | None, Query(description="By default 30 days ago.")] = None,
        until: Annotated[date | None, Query(description="By default today.")] = None,
        batch: Annotated[str | None, Query(description="The sum of this batch alone.")] = None,
    ) -> CostReport:
        """Sum the costs of the caller's jobs, of all jobs for an admin key.

        `estimated_usd` is the part of `usd` that no provider has stated, `unknown_usd` the part
        that is perhaps not charged. `credits` is null where accounts could mix.
        """
        rows = client.report_costs(by, since, until, caller.sees, batch)
        return CostReport(costs=[row.to_fields() for row in rows])

    return router
