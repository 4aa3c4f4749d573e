"""A run of the peers as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from benchmarks.peers.run import Figures
from benchmarks.peers.stacks import Size, Stack

Rounds = Mapping[str, Sequence[Figures]]

COLUMNS = {
    "jobs/s": "jobs_a_s",
    "worker CPU ms/job": "cpu_ms",
    "RSS MiB": "rss_mib",
    "Redis commands/job": "commands",
    "round trips/job": "round_trips",
    "Redis KB/job": "redis_kb",
}


def spread(values: Iterable[float], places: int = 1) -> str:
    """The lowest, the middle and the highest."""
    values = list(values)
    three = (min(values), median(values), max(values))
    return "/".join(f"{each:.{places}f}" if each < 100 else f"{each:,.0f}" for each in three)


def table(stacks: Sequence[Stack], sizes: Mapping[str, Size], rounds: Rounds) -> str:
    """A row a stack: lowest, median and highest of the rounds."""
    lines = [
        f"| stack | {' | '.join(COLUMNS)} | what it does not get_durability |",
        f"|---|{'---|' * len(COLUMNS)}---|",
    ]
    for stack in stacks:
        cells = [
            spread(getattr(each, field) for each in rounds[stack.name])
            for field in COLUMNS.values()
        ]
        name = f"{stack.name}, {sizes[stack.name]}"
        lines.append(f"| {name} | {' | '.join(cells)} | {stack.not_guaranteed} |")
    return "\n".join(lines)


def ratios(stacks: Sequence[Stack], rounds: Rounds) -> str:
    """Worker CPU of the first stack over each other's, round by round."""
    first, *others = stacks
    lines = [f"| worker CPU of {first.name} | in the same round |", "|---|---|"]
    for other in others:
        pairs = zip(rounds[first.name], rounds[other.name], strict=True)
        times = spread((ours.cpu_ms / its.cpu_ms for ours, its in pairs), places=2)
        lines.append(f"| x {other.name}'s | {times} |")
    return "\n".join(lines)


def shares(stacks: Sequence[Stack], rounds: Rounds) -> str:
    """What is beside the workers, and how much of the machine was left to the run."""
    lines = [
        "| beside the workers | Redis, CPU ms/job | provider, CPU ms/job "
        "| cores that were idle | cores that other processes took |",
        "|---|---|---|---|---|",
    ]
    for stack in stacks:
        columns = [
            [getattr(each, field) for each in rounds[stack.name]]
            for field in ("redis_cpu_ms", "provider_cpu_ms", "idle_cores", "foreign_cores")
        ]
        lines.append(f"| {stack.name} | {' | '.join(map(spread, columns))} |")
    return "\n".join(lines)


def settings(stacks: Sequence[Stack], sizes: Mapping[str, Size]) -> str:
    """With which settings each ran."""
    return "\n".join(
        f"- {stack.name}, {sizes[stack.name]} ({', '.join(stack.requirements) or 'this checkout'}):"
        f" {stack.settings}"
        for stack in stacks
    )
