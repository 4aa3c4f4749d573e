"""One worker process beside two, on two cores.

    python -m benchmarks.scaling --jobs 400 --rounds 5

Redis, the provider and other programs need a part of the two cores too. So there are two ratios:
the raw one, and one for each core that the workers could have had. Those are the cores that they
used and the idle part of the cores that they may use, at most one for each process.

- *cores*: the provider answers at once. Redis, the provider and this program share core 0 with the
  second worker; the first worker has core 1.
- *waiting*: the provider takes 100 ms for each answer, as a distant one does, and the kernel
  distributes the cores: the threads wait more than they work.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any, NamedTuple

from benchmarks.peers.figures import Figures, Layout
from benchmarks.peers.run import running
from benchmarks.peers.stacks import STACKS, Size
from benchmarks.system import exit_on_sigterm


class Setting(NamedTuple):
    """How the cores are distributed, and how long the provider takes."""

    layout: Layout
    answer_s: float


FIRST, SECOND = frozenset({0}), frozenset({1})
SETTINGS = {
    "cores": Setting(Layout(workers=(SECOND, FIRST), others=FIRST), 0.0),
    "waiting": Setting(Layout(), 0.1),
}


def measure(setting: Setting, processes: int, options: Any) -> Figures:
    """Measure one round; every process gets the same number of jobs."""
    size = Size(processes=processes, at_once=options.threads)
    with running(STACKS["imagequeue"], size, setting.layout, setting.answer_s) as run:
        run.prepare(options.jobs * processes)
        figures = run.measure()
    print(processes, figures, file=sys.stderr, flush=True)
    return figures


def available_cores(figures: Figures, processes: int) -> float:
    """Return the cores that workers could have used: at most one for each Python process."""
    return min(processes, figures.worker_cores + figures.left_cores)


def report(name: str, one: list[Figures], two: list[Figures]) -> None:
    """Print a table of both, and their ratios round by round."""
    print(f"\n| {name} | 1 process | 2 processes |\n|---|---|---|")
    print_row(name="jobs/s", one=one, two=two, value=lambda each, _: each.jobs_per_s)
    print_row(name="worker CPU ms/job", one=one, two=two, value=lambda each, _: each.cpu_ms)
    print_row(name="cores: workers", one=one, two=two, value=lambda each, _: each.worker_cores)
    print_row(name="cores: workers could have had", one=one, two=two, value=available_cores)
    print_row(name="cores: Redis", one=one, two=two, value=_share("redis_cpu_ms"))
    print_row(name="cores: provider", one=one, two=two, value=_share("provider_cpu_ms"))
    print_row(name="cores: this program", one=one, two=two, value=lambda each, _: each.load_cores)
    pairs = list(zip(one, two, strict=True))
    raw = [b.jobs_per_s / a.jobs_per_s for a, b in pairs]
    fair = [
        (b.jobs_per_s / available_cores(b, 2)) / (a.jobs_per_s / available_cores(a, 1))
        for a, b in pairs
    ]
    print(f"| **ratio of jobs/s** | | {_format_spread(raw)} |")
    print(
        f"| **the same, a core that workers could have had** | | {_format_spread(fair)} |",
        flush=True,
    )


def print_row(
    *,
    name: str,
    one: Iterable[Figures],
    two: Iterable[Figures],
    value: Callable[[Figures, int], float],
) -> None:
    """Print a figure of both: lowest, median and highest."""
    cells = [
        _format_spread(value(each, n) for each in rounds) for n, rounds in ((1, one), (2, two))
    ]
    print(f"| {name} | {' | '.join(cells)} |")


def _share(field: str) -> Callable[[Figures, int], float]:
    return lambda each, _: getattr(each, field) * each.jobs_per_s / 1000


def _format_spread(values: Iterable[float]) -> str:
    values = list(values)
    return "/".join(f"{value:.2f}" for value in (min(values), median(values), max(values)))


def main() -> None:
    """Measure once, and print a table for each setting."""
    parser = argparse.ArgumentParser(description="One worker process beside two.")
    parser.add_argument("--jobs", type=int, default=400, help="of each process in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=8, help="of each process")
    parser.add_argument("--only", choices=SETTINGS)
    options = parser.parse_args()
    exit_on_sigterm()
    for name, setting in SETTINGS.items():
        if options.only in (None, name):
            one, two = [], []
            for _ in range(options.rounds):
                one.append(measure(setting, 1, options))
                two.append(measure(setting, 2, options))
            report(name, one, two)


if __name__ == "__main__":
    main()
