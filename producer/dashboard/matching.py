"""What can be done with all jobs that match the filters, and with how many of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from ...jobs.job import State
from ..commands import STATES_FOR, Action, count_actions
from .filters import Filters
from .search import Found


class Matching(NamedTuple):
    """The jobs that match, as far as they can be counted without reading every record."""

    total: int | None
    actions: Mapping[Action, int | None]
    """The actions that apply to any of them, each with the number of these."""


def count_matching(
    filters: Filters, counts: Mapping[State, int], found: Found | None = None
) -> Matching:
    """Count the jobs of the filters: `counts` is that of all by state, `found` the first page."""
    states = [State(filters.state)] if filters.state else list(State)
    by_state: Mapping[State, int] = {state: counts[state] for state in states if counts[state]}
    if found and not found.cursor:
        by_state = Counter(job.state for job in found.jobs)
    elif filters.reads_records:
        possible = [action for action in Action if STATES_FOR[action] & set(by_state)]
        return Matching(None, dict.fromkeys(possible))
    return Matching(sum(by_state.values()), count_actions(by_state))
