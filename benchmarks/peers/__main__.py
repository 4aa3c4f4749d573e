"""The same paid job through imagequeue and four other queues, in turn.

    python -m benchmarks.peers
    python -m benchmarks.peers --schemes http
    python -m benchmarks.peers --commands

A job is a paid POST, a status request that finds it finished, and an image of 500 KB that is
downloaded, hashed and written to a file: three messages in every queue. The provider speaks http,
and https with a self-signed certificate that every stack trusts. Each stack, scheme and round has a
Redis and a provider of its own, and warm workers. Jobs are submitted while the workers are
suspended; the clock runs from their resumption to the last image. The run fails unless each job was
paid exactly once and each image is complete.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers import report
from benchmarks.peers.commands import Monitor, format_commands
from benchmarks.peers.environments import bin_of
from benchmarks.peers.figures import Figures, Layout
from benchmarks.peers.plot import REQUIREMENTS, draw
from benchmarks.peers.run import running
from benchmarks.peers.stacks import STACKS, Size, Stack
from benchmarks.system import exit_on_sigterm

PLOT = Path(__file__).resolve().parents[1] / "peers.svg"
SCHEMES = ("http", "https")

Rounds = dict[str, list[Figures]]


def compare(options: Any) -> None:
    """Run all stacks in turn, print their tables, and draw the plot."""
    stacks = [STACKS[name] for name in options.only]
    sizes = {stack.name: stack.size for stack in stacks}
    if "imagequeue" in sizes:
        ours = sizes["imagequeue"]
        sizes["imagequeue"] = Size(
            processes=options.processes or ours.processes, at_once=options.threads or ours.at_once
        )
    for stack in stacks:
        stack.bin()
    by_scheme: dict[str, Rounds] = {scheme: defaultdict(list) for scheme in options.schemes}
    for nth in range(options.rounds):
        for stack in stacks:
            for scheme, rounds in by_scheme.items():
                figures = _measure(stack, sizes[stack.name], options.jobs, scheme)
                rounds[stack.name].append(figures)
                print(f"round {nth + 1}, {stack.name}, {scheme}: {figures}", file=sys.stderr)
    _print_tables(stacks, sizes, by_scheme)
    if len(stacks) > 1:
        draw(_panels(by_scheme), bin_of("plot", REQUIREMENTS), options.plot)


def _measure(stack: Stack, size: Size, jobs: int, scheme: str) -> Figures:
    with running(stack, size, Layout(), tls=scheme == "https") as run:
        run.prepare(jobs)
        return run.measure()


def _print_tables(
    stacks: Sequence[Stack], sizes: dict[str, Size], by_scheme: dict[str, Rounds]
) -> None:
    for scheme, rounds in by_scheme.items():
        print(f"{report.format_table(scheme, stacks, sizes, rounds)}\n")
    if len(stacks) > 1:
        print(f"{report.format_ratios(stacks, by_scheme)}\n")
    print(f"{report.format_guarantees(stacks)}\n")
    for scheme, rounds in by_scheme.items():
        print(f"{report.format_shares(scheme, stacks, rounds)}\n")
    print(report.format_settings(stacks, sizes))


def _panels(by_scheme: dict[str, Rounds]) -> dict[str, dict[str, list[float]]]:
    panels = {
        f"worker CPU, ms a job, {scheme}": {
            name: [each.cpu_ms for each in runs] for name, runs in rounds.items()
        }
        for scheme, rounds in by_scheme.items()
    }
    scheme, rounds = next(iter(by_scheme.items()))
    panels[f"jobs a second, {scheme}"] = {
        name: [each.jobs_per_s for each in runs] for name, runs in rounds.items()
    }
    return panels


def list_commands(options: Any) -> None:
    """Print Redis commands by name, and nothing else: `MONITOR` slows the server down."""
    for name in options.only:
        with running(STACKS[name], STACKS[name].size, Layout()) as run:
            run.prepare(options.jobs)
            monitor = Monitor(run.redis)
            monitor.start()
            figures = run.measure()
            monitor.stop()
        print(f"{name}, without its submission\n")
        print(format_commands(monitor, options.jobs, figures.round_trips), flush=True)


def _list_of(known: Sequence[str]) -> Any:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"{unknown[0]}: known are {', '.join(known)}")
        return names

    return parse


def main() -> None:
    """Measure once, and print tables."""
    parser = argparse.ArgumentParser(description="The same paid job through several queues.")
    parser.add_argument("--jobs", type=int, default=1000, help="of each stack in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", type=_list_of(tuple(STACKS)), help=f"of {','.join(STACKS)}")
    parser.add_argument(
        "--schemes", type=_list_of(SCHEMES), default=list(SCHEMES), help="default http,https"
    )
    parser.add_argument("--processes", type=int, help="of imagequeue's workers")
    parser.add_argument("--threads", type=int, help="of each of imagequeue's workers")
    parser.add_argument("--commands", action="store_true", help="list Redis commands by name")
    parser.add_argument("--plot", type=Path, default=PLOT)
    options = parser.parse_args()
    exit_on_sigterm()
    if options.commands:
        options.only = options.only or ["imagequeue"]
        list_commands(options)
    else:
        options.only = options.only or list(STACKS)
        compare(options)


if __name__ == "__main__":
    main()
