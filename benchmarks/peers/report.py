"""The tables of a comparison, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from benchmarks.peers.figures import Figures
from benchmarks.peers.stacks import Size, Stack

Rounds = Mapping[str, Sequence[Figures]]
"""The figures of each round, by stack."""

COLUMNS = {
    "jobs/s": "jobs_per_s",
    "worker CPU ms/job": "cpu_ms",
    "RSS MiB": "rss_mib",
    "Redis commands/job": "commands",
    "round trips/job": "round_trips",
    "Redis KB/job": "redis_kb",
}


def format_spread(values: Iterable[float], places: int = 1) -> str:
    """Return `lowest/median/highest`."""
    values = list(values)
    three = (min(values), median(values), max(values))
    return "/".join(f"{each:.{places}f}" if each < 100 else f"{each:,.0f}" for each in three)


def format_table(
    scheme: str, stacks: Sequence[Stack], sizes: Mapping[str, Size], rounds: Rounds
) -> str:
    """Return a row for each stack."""
    lines = [f"| {scheme} | {' | '.join(COLUMNS)} |", f"|---|{'---|' * len(COLUMNS)}"]
    for stack in stacks:
        runs = rounds[stack.name]
        cells = [format_spread(getattr(each, field) for each in runs) for field in COLUMNS.values()]
        lines.append(f"| {stack.name}, {sizes[stack.name]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def format_ratios(stacks: Sequence[Stack], by_scheme: Mapping[str, Rounds]) -> str:
    """Return the first stack's worker CPU over each other's, round by round, for each scheme."""
    first, *others = stacks
    lines = [
        f"| worker CPU of {first.name}, in the same round | {' | '.join(by_scheme)} |",
        f"|---|{'---|' * len(by_scheme)}",
    ]
    for other in others:
        cells = []
        for rounds in by_scheme.values():
            pairs = zip(rounds[first.name], rounds[other.name], strict=True)
            cells.append(format_spread((a.cpu_ms / b.cpu_ms for a, b in pairs), places=2))
        lines.append(f"| x {other.name}'s | {' | '.join(cells)} |")
    return "\n".join(lines)


def format_shares(scheme: str, stacks: Sequence[Stack], rounds: Rounds) -> str:
    """Return what was used beside the workers, and how much of the machine was left."""
    lines = [
        f"| {scheme}, beside the workers | Redis, CPU ms/job | provider, CPU ms/job "
        "| idle cores | cores that other processes used |",
        "|---|---|---|---|---|",
    ]
    for stack in stacks:
        columns = [
            [getattr(each, field) for each in rounds[stack.name]]
            for field in ("redis_cpu_ms", "provider_cpu_ms", "idle_cores", "foreign_cores")
        ]
        lines.append(f"| {stack.name} | {' | '.join(map(format_spread, columns))} |")
    return "\n".join(lines)


def format_guarantees(stacks: Sequence[Stack]) -> str:
    """Return what each stack does not guarantee."""
    rows = [f"| {stack.name} | {stack.not_guaranteed} |" for stack in stacks]
    return "\n".join(["| stack | what it does not guarantee |", "|---|---|", *rows])


def format_settings(stacks: Sequence[Stack], sizes: Mapping[str, Size]) -> str:
    """Return the versions and settings that each stack ran with."""
    return "\n".join(
        f"- {stack.name}, {sizes[stack.name]} ({', '.join(stack.requirements) or 'this checkout'}):"
        f" {stack.settings}"
        for stack in stacks
    )
