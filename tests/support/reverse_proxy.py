"""A reverse proxy on loopback, as small as a plain `proxy_pass`."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def reverse_proxying(target: str, version: str, *headers: str) -> Iterator[str]:
    """Forward each request to `target` in this version of HTTP; yields the proxy's URL.

    It sends its target as Host, drops the client's Connection header and adds `headers`.
    """
    host, _, port = target.removeprefix("http://").partition(":")
    listener = socket.create_server(("127.0.0.1", 0))

    def forward(client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection((host, int(port)), 10) as server:
            head, body = _read_message(client)
            first, *lines = head.decode().split("\r\n")
            passed = [
                line for line in lines if not line.lower().startswith(("host:", "connection:"))
            ]
            first = " ".join([*first.split(" ")[:2], f"HTTP/{version}"])
            sent = "\r\n".join([first, f"Host: {host}:{port}", *headers, *passed])
            server.sendall(sent.encode() + body)
            client.sendall(b"".join(_read_message(server)))

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=forward, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def _read_message(source: socket.socket) -> tuple[bytes, bytes]:
    """Return the head and the body of a request or response, with the line between in the body."""
    with source.makefile("rb") as stream:
        head = b"".join(iter(stream.readline, b"\r\n"))
        size = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        body = stream.read(int(size[1])) if size else b""
    return head.removesuffix(b"\r\n"), b"\r\n\r\n" + body
