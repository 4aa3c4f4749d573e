"""Two Redis servers behind one address, whose roles a test exchanges as a failover does."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import redis

from imagequeue.producer.local.ports import free_port
from support.processes import eventually
from support.proxy import copy


class Pair:
    """A primary and its replica; `url` leads every new connection to the one in charge."""

    def __init__(self, ports: list[int], listener: socket.socket) -> None:
        self.url = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        self.primary, self.replica = (redis.Redis(port=port) for port in ports)
        self._ports, self._target = ports, ports[0]
        self._sockets: list[socket.socket] = []
        self._listener = listener
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> tuple[str, str]:
        """Host and port of the first primary, as a replica is told them."""
        return "127.0.0.1", str(self._ports[0])

    def detach(self) -> None:
        """Make the replica a primary of its own, and return once the first one has noticed."""
        self.replica.replicaof("NO", "ONE")
        eventually(lambda: not self.primary.info("replication")["connected_slaves"])

    def attach(self) -> None:
        """Make it a replica again, and return once it has caught up and is counted."""
        self.replica.replicaof(*self.address)
        eventually(lambda: self.replica.info("replication")["master_link_status"] == "up")
        eventually(lambda: self.primary.info("replication")["connected_slaves"])

    def demote(self) -> None:
        """Turn the primary into a replica of its former replica; every connection stays open."""
        self.replica.replicaof("NO", "ONE")
        self.primary.replicaof("127.0.0.1", str(self._ports[1]))

    def switch(self) -> None:
        """Lead new connections to the new primary; those that are open stay where they are."""
        self._target = self._ports[1]

    def close(self) -> None:
        """End every connection."""
        self.primary.close()
        self.replica.close()
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, server]
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=copy, args=pair, daemon=True).start()


@contextmanager
def replicated(binary: str, folder: Path) -> Iterator[Pair]:
    """Run a primary and a replica that has caught up."""
    ports = [free_port(), free_port()]
    servers = [_start(binary, folder / f"redis-{port}", port) for port in ports]
    try:
        pair = Pair(ports, socket.create_server(("127.0.0.1", 0)))
        try:
            eventually(lambda: _is_up(pair.primary) and _is_up(pair.replica))
            pair.attach()
            yield pair
        finally:
            pair.close()
    finally:
        for server in servers:
            server.kill()
            server.wait()


def _start(binary: str, folder: Path, port: int) -> "subprocess.Popen[bytes]":
    folder.mkdir(parents=True)
    listen = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", ""]
    command = [binary, *listen, "--appendonly", "yes", "--repl-diskless-sync-delay", "0"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)


def _is_up(client: redis.Redis) -> bool:
    with suppress(redis.RedisError):
        return bool(client.ping())
    return False
