"""The receiver: requests a second beside a baseline, latency, and the way to an image.

    python -m benchmarks.receiver

While the two servers are compared, they have a core of their own, and Redis shares the other with
the load. For the latency, the receiver shares its core with Redis and the load, and the workers use
the other: beside busy workers every wake-up waits for a time slice, and that would be measured.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from benchmarks.receiver.bench import OTHER_CORE, Bench
from benchmarks.receiver.latency import measure_load, measure_single
from benchmarks.receiver.throughput import compare
from benchmarks.system import exit_on_sigterm


def main() -> None:
    """Measure all three, and print their tables."""
    parser = argparse.ArgumentParser(description="The callback receiver.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="only check that it runs")
    parser.add_argument("--only", choices=("compare", "load", "image"))
    options = parser.parse_args()
    exit_on_sigterm()
    rounds, round_s, load_s, images = (
        (1, 1, 2, 10) if options.quick else (options.rounds, 3, 20, 100)
    )
    os.sched_setaffinity(0, {OTHER_CORE})
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        try:
            bench.start_servers()
            if options.only in (None, "compare"):
                compare(bench, rounds, round_s)
            if options.only != "compare":
                bench.start_workers()
            if options.only in (None, "load"):
                measure_load(bench, load_s)
            if options.only in (None, "image"):
                measure_single(bench, images)
        finally:
            bench.system.stop()


if __name__ == "__main__":
    main()
