"""A forward proxy on loopback: tunnels by CONNECT, and plain http requests."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class Proxy:
    """Keeps the heads of the requests that it was sent; every name leads to loopback."""

    def __init__(self, port: int) -> None:
        self.netloc = f"127.0.0.1:{port}"
        self.url = f"http://{self.netloc}"
        self.heads: list[str] = []
        self.refusal = b""
        """Sent in place of a tunnel."""

    @property
    def first_lines(self) -> list[str]:
        return [head.split("\r\n")[0] for head in self.heads]


@contextmanager
def proxying() -> Iterator[Proxy]:
    """A proxy on a port of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = Proxy(listener.getsockname()[1])

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=_serve, args=(proxy, client), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield proxy
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def _serve(proxy: Proxy, client: socket.socket) -> None:
    with suppress(OSError), client:
        received = b""
        while b"\r\n\r\n" not in received:
            if not (data := client.recv(65536)):
                return
            received += data
        head, _, body = received.partition(b"\r\n\r\n")
        proxy.heads.append(head.decode())
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        if method == "CONNECT":
            if proxy.refusal:
                client.sendall(proxy.refusal)
                return
            server = _connect(target.rpartition(":")[2])
            client.sendall(b"HTTP/1.1 200 Connection established\r\nX-Proxy: 1\r\n\r\n")
        else:
            url = urlsplit(target)
            server = _connect(url.port or 80)
            path = target.partition(url.netloc)[2].encode()
            server.sendall(head.replace(target.encode(), path, 1) + b"\r\n\r\n" + body)
        with server:
            back = threading.Thread(target=copy, args=(server, client), daemon=True)
            back.start()
            copy(client, server)
            back.join()


def _connect(port: str | int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(port)), 10)


def copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
