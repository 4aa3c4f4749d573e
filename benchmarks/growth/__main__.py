"""How cost grows: what a job, a record, a worker and a sweep cost, and what so many jobs need.

    python -m benchmarks.growth.__main__

Every table of docs/costs.md, in its order; the last two are a model that rests on the others.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.growth import held, idle, jobs, records
from benchmarks.growth.model import WAIT_S, Costs, ceilings_table, needs_table

RUNS = {
    "callback": ("callback", False),
    "poll": ("poll", False),
    "callback, messages in a Redis of their own": ("callback", True),
}


def main() -> None:
    """Measure, one after the other, and print what follows from it."""
    parser = argparse.ArgumentParser(description="How cost grows with the jobs.")
    parser.add_argument("--jobs", type=int, default=1000, help="through each whole system")
    options = parser.parse_args()
    runs = {}
    for name, (delivery, apart) in RUNS.items():
        with tempfile.TemporaryDirectory() as folder:
            runs[name] = jobs.per_job(Path(folder), options.jobs, delivery, two_redises=apart)
    jobs.table(runs)
    job, _, apart_job = runs.values()
    kept = records.records(job.example)
    _space()
    records.table(kept)
    _space()
    workers, others = held.held()
    held.table(workers, others)
    _space()
    polls = idle.idle()
    idle.table(polls)
    costs = Costs(
        job,
        apart_job,
        kept,
        held.slopes(workers),
        idle.of_one(polls),
        sum(each.connections for each in others.values()),
    )
    print(
        f"\nThe model: three times the mean at the peak, {WAIT_S} s from acceptance to callback.\n"
    )
    needs_table(costs)
    _space()
    ceilings_table(costs)


def _space() -> None:
    print(flush=True)


if __name__ == "__main__":
    main()
