"""The endpoints that report what was spent, and what may still be."""

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from ...client import LocalClient
from ..access import Access, Caller
from ..problems import error_responses


class BudgetStatus(BaseModel):
    """A budget in its present day or month."""

    budget: str = Field(examples=["20usd/day"])
    caller: str | None = Field(description="The API key that it is for; null for all jobs.")
    spent: float = Field(description="In the unit of the budget, as are the next two.")
    reserved: float = Field(description="What jobs may cost that are being sent.")
    left: float
    resets_at: datetime
    exhausted: bool = Field(description="Whether a job did not fit into it in this period.")


class BudgetReport(BaseModel):
    """Every budget that the caller may see."""

    budgets: list[BudgetStatus]


class CostReport(BaseModel):
    """What was spent, one object for each group."""

    costs: list[dict[str, Any]]


def routes(client: LocalClient, access: Access) -> APIRouter:
    """Return the routes of the reports."""
    router = APIRouter(prefix="/v1", tags=["costs"], dependencies=[Depends(access)])

    @router.get("/costs", summary="Report costs", responses=error_responses(404, 422))
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

    @router.get("/budgets", summary="Report budgets")
    def get_budgets(caller: Annotated[Caller, Depends(access)]) -> BudgetReport:
        """Report the budgets of the caller's key; for an admin key, all of them."""
        uses = client.report_budgets(caller.sees)
        return BudgetReport(budgets=[BudgetStatus.model_validate(use.to_fields()) for use in uses])

    return router
