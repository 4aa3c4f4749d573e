"""The same paid job through imagequeue and four other queues, in turns.

    python -m benchmarks.peers
    python -m benchmarks.peers --commands

A job is a paid POST, a look-up that finds it finished, and a picture of 500 KB that is fetched,
hashed and written to a file: three messages in every queue. Each stack and round has a Redis and a
provider of its own, and workers that have done some jobs already. Jobs are submitted while these
stand still (SIGSTOP); the clock runs from SIGCONT to the last picture. Each job must have been paid
exactly once, and each picture be whole, or the run fails.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.peers import report
from benchmarks.peers.commands import Monitor
from benchmarks.peers.commands import table as commands_table
from benchmarks.peers.environments import bin_of
from benchmarks.peers.plot import REQUIREMENTS, draw
from benchmarks.peers.run import Figures, Layout, running
from benchmarks.peers.stacks import STACKS, Size

PLOT = Path(__file__).resolve().parents[1] / "peers.svg"
PANELS = {"worker CPU, ms a job": "cpu_ms", "jobs a second": "jobs_a_s"}


def compare(options: Any) -> None:
    """Rounds of all in turn, their tables and the plot."""
    stacks = [STACKS[name] for name in options.only]
    sizes = {stack.name: stack.size for stack in stacks}
    if "imagequeue" in sizes:
        ours = sizes["imagequeue"]
        sizes["imagequeue"] = Size(
            processes=options.processes or ours.processes, at_once=options.threads or ours.at_once
        )
    for stack in stacks:
        stack.bin()
    rounds: dict[str, list[Figures]] = defaultdict(list)
    for nth in range(options.rounds):
        for stack in stacks:
            with running(stack, sizes[stack.name], Layout()) as run:
                run.prepare(options.jobs)
                rounds[stack.name].append(figures := run.measure())
            said = ", ".join(f"{name} {value:.2f}" for name, value in figures._asdict().items())
            print(f"round {nth + 1}, {stack.name}: {said}", file=sys.stderr, flush=True)
    print(report.table(stacks, sizes, rounds))
    print(f"\n{report.shares(stacks, rounds)}\n\n{report.settings(stacks, sizes)}")
    if len(stacks) > 1:
        print(f"\n{report.ratios(stacks, rounds)}")
        panels = {
            title: {name: [getattr(each, field) for each in runs] for name, runs in rounds.items()}
            for title, field in PANELS.items()
        }
        draw(panels, bin_of("plot", REQUIREMENTS), options.plot)


def commands(options: Any) -> None:
    """Redis commands by name; `MONITOR` slows the server down, so nothing else is told."""
    for name in options.only:
        with running(STACKS[name], STACKS[name].size, Layout()) as run:
            run.prepare(options.jobs)
            monitor = Monitor(run.redis)
            monitor.start()
            figures = run.measure()
            monitor.stop()
        print(f"{name}, submission excluded\n")
        print(commands_table(monitor, options.jobs, figures.round_trips), flush=True)


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in STACKS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]} is none of {', '.join(STACKS)}")
    return names


def main() -> None:
    """Measure once, and print tables."""
    parser = argparse.ArgumentParser(description="The same paid job through several queues.")
    parser.add_argument("--jobs", type=int, default=1500, help="of each stack in each round")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--only", type=_names, help=f"some of {','.join(STACKS)}")
    parser.add_argument("--processes", type=int, help="of imagequeue's workers")
    parser.add_argument("--threads", type=int, help="of each of imagequeue's workers")
    parser.add_argument("--commands", action="store_true", help="list Redis commands by name")
    parser.add_argument("--plot", type=Path, default=PLOT)
    options = parser.parse_args()
    # Whatever ends this ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if options.commands:
        options.only = options.only or ["imagequeue"]
        commands(options)
    else:
        options.only = options.only or list(STACKS)
        compare(options)


if __name__ == "__main__":
    main()
