"""Relays connections to a server, until the test cuts them all."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class Relay:
    """The open connections; `url` leads to the server."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.heads: list[str] = []
        """The first bytes of each connection."""
        self.pairs: list[tuple[socket.socket, socket.socket]] = []

    def cut(self) -> None:
        """End every open connection."""
        pairs, self.pairs = self.pairs, []
        for each in (one for pair in pairs for one in pair):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def relaying(url: str) -> Iterator[Relay]:
    listener = socket.create_server(("127.0.0.1", 0))
    relay = Relay(listener.getsockname()[1])
    threads: list[threading.Thread] = []

    def pump(source: socket.socket, target: socket.socket, *, is_request: bool) -> None:
        with suppress(OSError), source:
            while data := source.recv(65536):
                if is_request:
                    relay.heads.append(data.decode("latin-1"))
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", urlsplit(url).port or 80))
                relay.pairs.append((client, server))
                for pair, is_request in (((client, server), True), ((server, client), False)):
                    options = {"is_request": is_request}
                    threads.append(threading.Thread(target=pump, args=pair, kwargs=options))
                    threads[-1].start()

    threading.Thread(target=accept, daemon=True).start()
    yield relay
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    relay.cut()
    for thread in threads:
        thread.join()
