"""A primary, its replica and three Sentinels that fail it over, each with a password."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import redis

from imagequeue.producer.local.ports import free_port
from support.processes import eventually
from support.tls import certify

PASSWORD, SENTINEL_PASSWORD = "of-redis", "of-sentinels"
SERVICE = "main"


class Sentinels(NamedTuple):
    url: str
    primary: "subprocess.Popen[bytes]"
    sentinels: list[redis.Redis]
    port: int
    """Of the first primary."""

    def kill_primary(self) -> None:
        """Kill the primary, and return once another one is elected."""
        self.primary.kill()
        self.primary.wait()
        for each in self.sentinels:
            eventually(lambda s=each: s.sentinel_master(SERVICE)["port"] != self.port)  # type: ignore[misc]


def _start(
    stack: ExitStack, binary: str, folder: Path, port: int, lines: list[str], *options: str
) -> "subprocess.Popen[bytes]":
    """Start a server with a configuration of its own; the stack kills it."""
    config = folder / f"{port}.conf"
    (folder / str(port)).mkdir()
    listen = f"port {port}" if not any(line.startswith("tls-port") for line in lines) else "port 0"
    common = [listen, "bind 127.0.0.1", f"dir {folder / str(port)}"]
    config.write_text("\n".join([*common, *lines]))
    command = [binary, str(config), *options]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    stack.callback(server.wait)
    stack.callback(server.kill)
    return server


@contextmanager
def running_tls_sentinel(binary: str, folder: Path) -> Iterator[str]:
    """Run a primary and one Sentinel, both behind TLS and passwords; yields their URL."""
    certify(folder)
    path = folder / "host.pem"
    tls = [f"tls-{name}-file {path}" for name in ("cert", "key", "ca-cert")]
    tls += ["tls-auth-clients no", "tls-replication yes"]
    port, sentinel = free_port(), free_port()
    data = ["appendonly yes", 'save ""', f"requirepass {PASSWORD}", f"tls-port {port}"]
    watch = [
        f"tls-port {sentinel}",
        f"sentinel monitor {SERVICE} 127.0.0.1 {port} 1",
        f"sentinel auth-pass {SERVICE} {PASSWORD}",
        f"requirepass {SENTINEL_PASSWORD}",
    ]
    with ExitStack() as stack:
        _start(stack, binary, folder, port, [*data, *tls])
        _start(stack, binary, folder, sentinel, [*watch, *tls], "--sentinel")
        trust: dict[str, Any] = {"ssl": True, "ssl_ca_certs": str(path)}
        client = stack.enter_context(
            redis.Redis("127.0.0.1", sentinel, password=SENTINEL_PASSWORD, **trust)
        )
        eventually(lambda: _is_watched(client))
        query = f"sentinel_password={SENTINEL_PASSWORD}&ssl_ca_certs={path}"
        yield f"rediss+sentinel://:{PASSWORD}@127.0.0.1:{sentinel}/{SERVICE}/0?{query}"


def _is_watched(sentinel: redis.Redis) -> bool:
    try:
        return not sentinel.sentinel_master(SERVICE)["is_disconnected"]
    except redis.RedisError:
        return False


@contextmanager
def running_sentinels(binary: str, folder: Path) -> Iterator[Sentinels]:
    ports = [free_port() for _ in range(5)]
    with ExitStack() as stack:
        start = partial(_start, stack, binary, folder)
        data = ["appendonly yes", 'save ""', f"requirepass {PASSWORD}", f"masterauth {PASSWORD}"]
        primary = start(ports[0], [*data, "repl-diskless-sync-delay 0"])
        start(ports[1], [*data, f"replicaof 127.0.0.1 {ports[0]}"])
        replica = stack.enter_context(redis.Redis(port=ports[1], password=PASSWORD))
        eventually(lambda: _is_linked(replica))
        for port in ports[2:]:
            start(
                port,
                [
                    f"sentinel monitor {SERVICE} 127.0.0.1 {ports[0]} 2",
                    f"sentinel auth-pass {SERVICE} {PASSWORD}",
                    f"sentinel down-after-milliseconds {SERVICE} 1000",
                    f"sentinel failover-timeout {SERVICE} 5000",
                    f"requirepass {SENTINEL_PASSWORD}",
                    f"sentinel sentinel-pass {SENTINEL_PASSWORD}",
                ],
                "--sentinel",
            )
        sentinels = [
            stack.enter_context(redis.Redis(port=port, password=SENTINEL_PASSWORD))
            for port in ports[2:]
        ]
        for each in sentinels:
            eventually(lambda s=each: _knows_all(s))  # type: ignore[misc]
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports[2:])
        query = f"sentinel_password={SENTINEL_PASSWORD}"
        url = f"redis+sentinel://:{PASSWORD}@{hosts}/{SERVICE}/0?{query}"
        yield Sentinels(url, primary, sentinels, ports[0])


def _is_linked(replica: redis.Redis) -> bool:
    try:
        return bool(replica.info("replication").get("master_link_status") == "up")
    except redis.RedisError:
        return False


def _knows_all(sentinel: redis.Redis) -> bool:
    try:
        found = sentinel.sentinel_master(SERVICE)
    except redis.RedisError:
        return False
    return bool(found["num-slaves"] == 1 and found["num-other-sentinels"] == 2)
