"""A batch: jobs that were submitted together, and how far they are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, computed_field
from ulid import ULID

from .job import FINISHED, State


class Batch(BaseModel):
    """Jobs that were submitted together."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(examples=["batch_01KAJ6WRX0M9S3H1V5T7Q2Z4CD"])
    created_at: datetime
    submitted_by: str = Field("", description="The name of the API key, or of the program.")
    progress: dict[State, int] = Field(
        default_factory=dict, description="How many of its jobs are in each state."
    )

    @computed_field(description="How many jobs were created for it.")  # type: ignore[prop-decorator]
    @property
    def total(self) -> int:
        """How many jobs were created for it; repeated items are not created again."""
        return sum(self.progress.values())

    @computed_field(  # type: ignore[prop-decorator]
        description="How many of its jobs are finished."
    )
    @property
    def ended(self) -> int:
        """How many of its jobs are finished."""
        return sum(count for state, count in self.progress.items() if state in FINISHED)

    def dump(self) -> str:
        """Return the part that never changes, as JSON."""
        return self.model_dump_json(include={"id", "created_at", "submitted_by"})


class ListedBatch(Batch):
    """A batch, and what it costs in dollars."""

    spent_usd: float = Field(description="What its jobs cost so far.")
    estimated_usd: float | None = Field(
        description="What all of its jobs are expected to cost; null if that was not recorded."
    )
    unpriced: int = Field(description="How many of its jobs have no known price.")


def parse_batch(document: str | bytes, progress: Mapping[State, int]) -> Batch:
    """Return a batch from its stored document and the number of its jobs in each state."""
    batch = Batch.model_validate_json(document)
    there = {state: progress[state] for state in State if progress.get(state)}
    return batch.model_copy(update={"progress": there})


def new_batch(at: datetime, submitted_by: str = "") -> Batch:
    """Return a batch without jobs; its id sorts by the time of its creation."""
    return Batch(id=f"batch_{ULID.from_datetime(at)}", created_at=at, submitted_by=submitted_by)
