"""The same paid job through several queues, in turns.

python -m imagequeue.benchmarks.peers --jobs 600 --rounds 5
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from .run import Figures, Layout, Run
from .stacks import STACKS, Size


def one_round(name: str, size: Size, jobs: int, layout: Layout) -> Figures:
    """A stack from its start to its end, on an empty Redis."""
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        run = Run(STACKS[name], size, Path(folder), layout)
        try:
            run.start()
            return run.measure(jobs)
        finally:
            run.stop()


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="The same job through several queues.")
    parser.add_argument("--jobs", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default=",".join(STACKS), help="stacks, comma separated")
    parser.add_argument("--size", type=Size.of)
    parser.add_argument("--pin", action="store_true")
    options = parser.parse_args()
    layout = Layout(frozenset({1}), frozenset({0})) if options.pin else Layout()
    for _ in range(options.rounds):
        for name in options.only.split(","):
            size = options.size or STACKS[name].size
            figures = one_round(name, size, options.jobs, layout)
            values = ", ".join(f"{k} {v:.2f}" for k, v in figures._asdict().items())
            print(name, size, layout, values, flush=True)


if __name__ == "__main__":
    main()
