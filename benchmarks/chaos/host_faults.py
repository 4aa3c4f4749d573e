"""What happens to hosts once in a run: each kind is cut off, and a link is slow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from benchmarks.chaos.hosts import Network
from benchmarks.chaos.planned import PlannedFault
from benchmarks.chaos.slow_link import SlowLink


def plan_host_faults(
    network: Network,
    workers: Sequence[str],
    find_redis: Callable[[], str],
    others: Sequence[str],
    lasts_s: float,
) -> list[PlannedFault]:
    """Cut off a worker, Redis and each of the others, and slow down the links that can be slow.

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
    def slow(link: SlowLink) -> Iterator[None]:
        link.is_slow = True
        try:
            yield
        finally:
            link.is_slow = False

    cuts = {"worker": lambda: workers[0], "redis": find_redis}
    cuts |= {name: partial(str, name) for name in others}
    faults = [
        PlannedFault(f"cut_{kind}_host", partial(cut, find), lasts_s) for kind, find in cuts.items()
    ]
    faults += [
        PlannedFault(f"slow_{name}", partial(slow, link), lasts_s)
        for name, link in network.slow_links.items()
    ]
    return faults
