"""What a run consists of: the system, on one host or several, and what happens to it once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.chaos.archive import choose_archive
from benchmarks.chaos.host_faults import plan_host_faults
from benchmarks.chaos.hosts import Network, open_network
from benchmarks.chaos.modes import LIMITS, apply_mode
from benchmarks.chaos.planned import PlannedFault
from benchmarks.chaos.sentinel import NODES, SentinelRedis, plan_failovers
from benchmarks.servers.rabbitmq import RabbitMQ
from benchmarks.servers.redis_process import RedisProcess
from benchmarks.servers.replicated_redis import ReplicatedRedis
from benchmarks.servers.s3 import S3Server
from benchmarks.system import LOCAL, Host, RedisServer, System, is_up, wait_until
from imagequeue.client.client import Client
from imagequeue.producer.client import LocalClient
from imagequeue.producer.local.ports import free_port

API_KEY = "a key of the benchmark"
# Beyond a cut, so that a submit that a client repeats is answered in the end.
SUBMIT_TIMEOUT_S = 60.0


class Setup(NamedTuple):
    """The options of a run."""

    mode: str = "plain"
    broker: str = "redis"
    hosts: int = 0
    """How many hosts have a worker each; 0 is one host for everything."""
    sentinel: bool = False
    archive: str = ""
    """The kind of database that jobs move to during the run; empty for none."""
    cut_s: float = 20.0
    """How long a host is cut off."""
    planned: int | None = None
    """How many of the faults that happen once do; None is all of them."""


class Site(NamedTuple):
    """A system that does not run yet, except for its Redis, broker and storage."""

    system: System
    planned: list[PlannedFault]
    api_url: str
    """Empty without an API: on one host, jobs are submitted without it."""
    hosts: str
    """How there are several; empty for one."""

    def start(self) -> None:
        """Start everything, and return once the servers answer."""
        self.system.start_all()
        if self.api_url:
            wait_until(lambda: is_up(f"{self.api_url}/healthz"))

    def open_submit(self) -> Callable[..., Any]:
        """Return the function that submits a job."""
        if self.api_url:
            return Client(self.api_url, API_KEY, timeout_s=SUBMIT_TIMEOUT_S).submit
        return LocalClient(self.system.settings).submit


def open_site(
    stack: ExitStack,
    folder: Path,
    setup: Setup,
    settings: dict[str, str],
    sandbox: tuple[str, ...],
    kind: type[System] = System,
) -> Site:
    """Return what a run consists of; it ends with `stack`."""
    settings = settings | choose_archive(stack, folder, setup.archive)
    network = open_network(folder) if setup.hosts else None
    hosts = _place(network, setup) if network else {}
    if setup.mode == "limits":
        settings, sandbox = settings | LIMITS, (*sandbox, "--kie-limit", "1")
    if setup.sentinel:
        settings = settings | {"durability": "replica"}
    if network:
        s3 = S3Server(folder, hosts["sandbox"])
        stack.callback(s3.stop)
        s3.start()
        settings = settings | {"storage_url": s3.storage_url, "api_keys": API_KEY}
    redis = _make_redis(folder, setup, hosts)
    if redis:
        stack.callback(redis.stop)
    broker = None
    if setup.broker == "amqp":
        broker = RabbitMQ(folder / "rabbitmq", hosts.get("broker", LOCAL))
        stack.callback(broker.stop)
        broker.start()
    workers = setup.hosts or 2
    system = kind(folder, settings, sandbox, workers, redis=redis, broker=broker, hosts=hosts)
    stack.callback(system.stop)
    apply_mode(setup.mode, system)
    planned = plan_failovers(redis) if isinstance(redis, SentinelRedis) else []
    if not network:
        return Site(system, planned, "", "")
    find_redis = redis.choose_host if isinstance(redis, SentinelRedis) else lambda: "redis-0"
    planned += plan_host_faults(
        network,
        system.workers,
        find_redis,
        ["broker"] if broker else [],
        setup.cut_s,
    )
    return Site(system, planned, add_api(system), network.description)


def _place(network: Network, setup: Setup) -> dict[str, Host]:
    """Return the hosts of processes by name: the API shares that of the receiver."""
    names = ["web", *(f"worker-{n}" for n in range(setup.hosts))]
    names += [f"redis-{n}" for n in range(NODES if setup.sentinel else 1)]
    names += ["broker"] if setup.broker == "amqp" else []
    last = f"worker-{setup.hosts - 1}"
    hosts = {name: network.add(name, can_be_slow=name == last) for name in names}
    web = hosts.pop("web")
    return {**hosts, "api": web, "receiver": web, "sandbox": network.outside}


def _make_redis(folder: Path, setup: Setup, hosts: dict[str, Host]) -> RedisServer | None:
    """Return the Redis of a setup; None for the one that a system starts by itself."""
    if setup.sentinel:
        places = [hosts.get(f"redis-{n}", LOCAL) for n in range(NODES)]
        return SentinelRedis(folder / "sentinel", places)
    if setup.mode == "failover":
        return ReplicatedRedis(folder / "replicated")
    return RedisProcess(folder / "redis", hosts["redis-0"]) if hosts else None


def add_api(system: System) -> str:
    """Let an API start with the system, and return its URL."""
    address, port = system.host("api").address, str(free_port())
    module = (sys.executable, "-m", "imagequeue.producer.api")
    system.commands["api"] = [*module, "--host", address, "--port", port]
    return f"http://{address}:{port}"
