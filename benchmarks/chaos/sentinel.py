"""A Redis with two replicas, and three Sentinels that fail it over; it stands in for one Redis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import redis

from benchmarks.chaos.planned import PlannedFault
from benchmarks.servers.redis_process import RedisProcess
from benchmarks.system import LOCAL, Host, wait_until

NODES = 3
HEALTH_TIMEOUT_S = 120.0
LOOK_EVERY_S = 0.25
SERVICE = "jobs"
# Seconds in place of half a minute and three minutes.
DOWN_AFTER_MS, FAILOVER_TIMEOUT_MS = 1000, 5000
DOWN_S = 5.0
"""How long a killed primary is away."""


class SentinelRedis:
    """Three hosts with a Redis and a Sentinel each."""

    def __init__(self, folder: Path, hosts: Sequence[Host] = (LOCAL,) * NODES) -> None:
        self._nodes = [RedisProcess(folder / f"redis-{n}", host) for n, host in enumerate(hosts)]
        first = self._nodes[0]
        lines = (
            f"sentinel monitor {SERVICE} {first.host.address} {first.port} 2",
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {SERVICE} {FAILOVER_TIMEOUT_MS}",
        )
        self._sentinels = [
            RedisProcess(folder / f"sentinel-{n}", host, lines, "--sentinel")
            for n, host in enumerate(hosts)
        ]
        addresses = ",".join(f"{each.host.address}:{each.port}" for each in self._sentinels)
        self.url = f"redis+sentinel://{addresses}/{SERVICE}/0"
        self._has_started = False

    def start(self) -> str:
        """Start what does not run, and return the URL."""
        if self._has_started:
            self._bring_back()
            return self.url
        self._has_started = True
        first, *others = self._nodes
        for node in self._nodes:
            node.start()
        for node in others:
            node.ask("REPLICAOF", first.host.address, first.port)
            wait_until(node.is_in_step)
        for sentinel in self._sentinels:
            sentinel.start()
        for sentinel in self._sentinels:
            wait_until(lambda each=sentinel: _knows_all(each))  # type: ignore[misc]
        return self.url

    def _bring_back(self) -> None:
        primary = self._nodes[self.find_primary_number()]
        for node in self._nodes:
            if not node.is_running:
                node.start()
                node.ask("REPLICAOF", primary.host.address, primary.port)

    def kill(self) -> None:
        """Kill the primary once its replicas are in step, and return once another is elected."""
        number = self._await_health()
        self._nodes[number].kill()
        self._await_other(number)

    def fail_over(self) -> None:
        """Let the Sentinels exchange the primary, which goes on, as for its maintenance."""
        number = self._await_health()
        self._ask_sentinels("SENTINEL FAILOVER", SERVICE)
        self._await_other(number)

    def stop(self) -> None:
        """Kill every server."""
        for each in (*self._sentinels, *self._nodes):
            each.kill()

    def choose_host(self) -> str:
        """Return the host of the primary once a failover would lose nothing."""
        return f"redis-{self._await_health()}"

    def find_primary_number(self) -> int:
        """Return the number of the node which two Sentinels, whom clients may ask, call primary."""
        ports = [node.port for node in self._nodes]

        def find() -> int | None:
            named = [_find_primary_port(each) for each in self._sentinels]
            return next((n for n, port in enumerate(ports) if named.count(port) >= 2), None)

        wait_until(lambda: find() is not None, every_s=LOOK_EVERY_S)
        return find() or 0

    def _await_health(self) -> int:
        """Return the number of the primary once all others are in step with it."""

        def is_healthy() -> bool:
            number = self.find_primary_number()
            others = [node for n, node in enumerate(self._nodes) if n != number]
            return self._nodes[number].count_replicas() == len(others)

        wait_until(is_healthy, HEALTH_TIMEOUT_S, LOOK_EVERY_S)
        return self.find_primary_number()

    def _await_other(self, former: int) -> None:
        wait_until(lambda: self.find_primary_number() != former, every_s=LOOK_EVERY_S)
        wait_until(lambda: self._nodes[self.find_primary_number()].count_replicas() is not None)

    def _ask_sentinels(self, *command: str) -> None:
        """Send a command to the first Sentinel which accepts it."""
        for sentinel in self._sentinels:
            with suppress(redis.RedisError):
                sentinel.ask(*command)
                return


def plan_failovers(server: SentinelRedis) -> list[PlannedFault]:
    """Kill the primary twice, and exchange it once."""

    @contextmanager
    def kill_primary() -> Iterator[None]:
        server.kill()
        yield
        server.start()

    @contextmanager
    def fail_over() -> Iterator[None]:
        server.fail_over()
        yield

    killed = PlannedFault("kill_primary", kill_primary, DOWN_S)
    return [killed, PlannedFault("planned_failover", fail_over, 0), killed]


def _find_primary_port(sentinel: RedisProcess) -> int | None:
    with suppress(redis.RedisError):
        return int(sentinel.ask("SENTINEL GET-MASTER-ADDR-BY-NAME", SERVICE)[1])
    return None


def _knows_all(sentinel: RedisProcess) -> bool:
    with suppress(redis.RedisError):
        known = sentinel.ask("SENTINEL MASTER", SERVICE)
        return bool(known["num-slaves"] == NODES - 1 and known["num-other-sentinels"] == NODES - 1)
    return False
