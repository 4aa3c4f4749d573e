"""How costs grow: what a job, a record, a worker and a sweep cost, and what many jobs need.

    python -m benchmarks.growth

Prints every table of docs/costs.md in its order. The last two are a model based on the others.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.growth import idle, jobs, processes, records
from benchmarks.growth.model import WAIT_S, Costs, print_ceilings, print_needs
from benchmarks.system import exit_on_sigterm

RUNS = {
    "callback": ("callback", False),
    "poll": ("poll", False),
    "callback, messages in a Redis of their own": ("callback", True),
}


def main() -> None:
    """Measure one after the other, and print the tables."""
    parser = argparse.ArgumentParser(description="How costs grow with the jobs.")
    parser.add_argument("--jobs", type=int, default=1000, help="through each system")
    options = parser.parse_args()
    exit_on_sigterm()
    runs = {}
    for name, (delivery, apart) in RUNS.items():
        with tempfile.TemporaryDirectory() as folder:
            runs[name] = jobs.measure(Path(folder), options.jobs, delivery, two_redises=apart)
    jobs.print_table(runs)
    job, _, apart_job = runs.values()
    stored = records.measure(job.example)
    _print_blank()
    records.print_table(stored)
    _print_blank()
    workers, others = processes.measure()
    processes.print_table(workers, others)
    _print_blank()
    polls = idle.measure()
    idle.print_table(polls)
    costs = Costs(
        job,
        apart_job,
        stored,
        processes.fit_slopes(workers),
        idle.of_one_worker(polls),
        sum(each.connections for each in others.values()),
    )
    print(
        f"\nThe model: three times the mean at the peak, {WAIT_S} s from acceptance to callback.\n"
    )
    print_needs(costs)
    _print_blank()
    print_ceilings(costs)


def _print_blank() -> None:
    print(flush=True)


if __name__ == "__main__":
    main()
