"""What differs between the processes of a deployment, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from ..config.queues import Queue
from ..config.settings import PREFIX, Settings
from ..store.clock import MAX_CLOCK_SKEW_S
from ..store.deployment.processes import Process, ProcessKind


def find_problems(processes: Collection[Process], settings: Settings) -> Iterator[str]:
    """Yield one line for each thing that differs or is missing, with what to do."""
    yield from find_differences(processes)
    for queue in list_needed_queues(settings):
        if not count_workers(processes, queue):
            yield f"no worker for the queue {queue}: start one with `-Q {queue}`"


def find_differences(processes: Collection[Process]) -> Iterator[str]:
    """Yield one line for each thing that differs between processes, with what to do."""
    yield from _list_differences(
        processes,
        "version",
        lambda each: each.version,
        "finish the update, or restart what is old",
    )
    yield from _list_differences(
        processes,
        "storage",
        lambda each: each.storage[:8],
        f"set the same {PREFIX}STORAGE_URL everywhere, and restart",
    )
    names = {name for each in processes for name in each.settings}
    for name in sorted(names):
        yield from _list_differences(
            processes,
            f"{PREFIX}{name.upper()}",
            lambda each, name=name: each.settings.get(name, ""),  # type: ignore[misc]
            "set the same everywhere, and restart",
            hides_values=True,
        )
    for each in processes:
        if abs(each.clock_ahead_s) > MAX_CLOCK_SKEW_S:
            side = "ahead of" if each.clock_ahead_s > 0 else "behind"
            yield (
                f"the clock of {describe_name(each)} is {abs(each.clock_ahead_s):.1f} s {side} "
                "Redis: set it by NTP"
            )


def list_needed_queues(settings: Settings) -> list[Queue]:
    """Return the queues that need a worker; without a public URL, no callback arrives."""
    return [each for each in Queue if each is not Queue.CALLBACK or settings.public_url]


def count_workers(processes: Collection[Process], queue: Queue) -> int:
    """Count the workers that take messages from a queue."""
    return sum(each.kind == ProcessKind.WORKER and queue in each.queues for each in processes)


def describe_name(process: Process) -> str:
    """Return where a process runs, such as `worker on host-a, pid 12`."""
    return f"{process.kind} on {process.host}, pid {process.pid}"


def _list_differences(
    processes: Collection[Process],
    what: str,
    read: Callable[[Process], str],
    remedy: str,
    *,
    hides_values: bool = False,
) -> Iterator[str]:
    """Yield a line if two processes differ; one without a value does not count."""
    groups: dict[str, list[Process]] = {}
    for each in processes:
        if value := read(each):
            groups.setdefault(value, []).append(each)
    if len(groups) > 1:
        first, *others = sorted(groups, key=lambda value: -len(groups[value]))
        odd = [process for value in others for process in groups[value]]
        names = "; ".join(
            describe_name(each) + ("" if hides_values else f" has {read(each)}") for each in odd
        )
        usual = "" if hides_values else f" ({first} elsewhere)"
        yield f"{what} differs{usual}: {names}: {remedy}"
