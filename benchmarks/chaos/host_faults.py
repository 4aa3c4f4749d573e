"""What happens to hosts once in a run: each kind is cut off, and a link is slow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from benchmarks.chaos.hosts import Network, SlowLinks
from benchmarks.chaos.planned import PlannedFault


def plan_host_faults(
    network: Network,
    workers: Sequence[str],
    find_redis: Callable[[], str],
    others: Sequence[str],
    lasts_s: float,
) -> list[PlannedFault]:
    """Cut off a worker, Redis and each of the others, and slow down another worker.

    `find_redis` names the host of the primary at that moment.
    """

    @contextmanager
    def cut(find: Callable[[], str]) -> Iterator[None]:
        name = find()
        network.cut(name)
        try:
            yield
        finally:
            network.join(name)

    @contextmanager
    def slow(links: SlowLinks, name: str) -> Iterator[None]:
        links.slow(name)
        try:
            yield
        finally:
            links.speed(name)

    cuts = {"worker": lambda: workers[0], "redis": find_redis}
    cuts |= {name: partial(str, name) for name in others}
    faults = [
        PlannedFault(f"cut_{kind}_host", partial(cut, find), lasts_s) for kind, find in cuts.items()
    ]
    if links := network.slow_links:
        faults.append(PlannedFault("slow_worker_host", partial(slow, links, workers[-1]), lasts_s))
    return faults
