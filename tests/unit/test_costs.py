"""docs/costs.md has the tables that its command prints, and its model is plain arithmetic."""

from __future__ import annotations

from itertools import pairwise

import pytest

from benchmarks.growth import idle, jobs, records
from benchmarks.growth.idle import Idle
from benchmarks.growth.jobs import PerJob
from benchmarks.growth.model import (
    Costs,
    compute_ceilings,
    compute_need,
    print_ceilings,
    print_needs,
)
from benchmarks.growth.processes import Slopes
from benchmarks.growth.records import Records
from benchmarks.waiting import make_waiting_job
from support.paths import ROOT

PAGE = (ROOT / "docs" / "costs.md").read_text()
JOB = PerJob(20, 5, 2, 3, 3, 0, 18_000, 150, 50, 0, make_waiting_job())
RECORDS = Records(1000, 1250, 240, 240, 56_000)
IDLE = Idle(8, 0.001, 0.002)
COSTS = Costs(JOB, JOB, RECORDS, Slopes(12, 0.5, 30, 1.5), IDLE, 75)


def test_ten_times_the_jobs_cost_ten_times_as_much() -> None:
    some, more = compute_need(COSTS, 1_000_000), compute_need(COSTS, 10_000_000)
    assert more.day_mb == pytest.approx(10 * some.day_mb) == pytest.approx(15_000)
    assert more.worker_cores == pytest.approx(10 * some.worker_cores)
    # The fixed parts do not grow.
    assert some.waiting_mb < more.waiting_mb < 10 * some.waiting_mb
    assert (some.workers, more.workers) == (1, 10)
    assert more.connections - some.connections == pytest.approx(9 * 20)


def test_ceilings_are_in_ascending_order() -> None:
    ceilings = compute_ceilings(COSTS)
    assert list(ceilings.values()) == sorted(ceilings.values())
    assert ceilings["one kie.ai account: 20 new tasks in 10 s, all day"] == 172_800


def test_page_has_the_tables_that_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    jobs.print_table({"callback": JOB})
    records.print_table(RECORDS)
    idle.print_table({(1, 0): IDLE})
    print_needs(COSTS)
    print_ceilings(COSTS)
    printed = capsys.readouterr().out.splitlines()
    heads = [line for line, below in pairwise(printed) if "|---" in below]
    assert len(heads) == 5
    assert [head for head in heads if head not in PAGE] == []
