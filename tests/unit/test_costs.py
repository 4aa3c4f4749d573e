"""The page on costs has the tables that its command prints, and its model is plain arithmetic."""

from itertools import pairwise

import pytest

from benchmarks.growth import idle, jobs, records
from benchmarks.growth.held import Slopes
from benchmarks.growth.idle import Idle
from benchmarks.growth.jobs import PerJob
from benchmarks.growth.model import Costs, ceilings, ceilings_table, need, needs_table
from benchmarks.growth.records import Records
from benchmarks.waiting import waiting_job
from support.paths import ROOT

PAGE = (ROOT / "docs" / "costs.md").read_text()
JOB = PerJob(20, 5, 2, 3, 3, 0, 18_000, 150, 50, 0, waiting_job())
RECORDS = Records(1000, 1500, 250, 56_000)
IDLE = Idle(8, 0.001, 0.002)
COSTS = Costs(JOB, JOB, RECORDS, Slopes(12, 0.5, 30, 1.5), IDLE, 75)


def test_ten_times_the_jobs_need_ten_times_as_much_of_what_jobs_cost() -> None:
    some, more = need(COSTS, 1_000_000), need(COSTS, 10_000_000)
    assert more.kept_mb == pytest.approx(10 * some.kept_mb) == pytest.approx(15_000)
    assert more.worker_cores == pytest.approx(10 * some.worker_cores)
    # And of the fixed parts no more than before.
    assert some.waiting_mb < more.waiting_mb < 10 * some.waiting_mb
    assert (some.workers, more.workers) == (1, 10)
    assert more.connections - some.connections == pytest.approx(9 * 20)


def test_what_is_full_first_stands_first() -> None:
    found = list(ceilings(COSTS).values())
    assert found == sorted(found)
    assert ceilings(COSTS)["one kie.ai account: 20 new tasks in 10 s, all day"] == 172_800


def test_the_page_has_the_tables_that_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    jobs.table({"callback": JOB})
    records.table(RECORDS)
    idle.table({(1, 0): IDLE})
    needs_table(COSTS)
    ceilings_table(COSTS)
    printed = capsys.readouterr().out.splitlines()
    heads = [line for line, below in pairwise(printed) if "|---" in below]
    assert len(heads) == 5
    assert [head for head in heads if head not in PAGE] == []
