"""Loopback ports: find a free one, or refuse one that is in use."""

from __future__ import annotations

import socket

from ...errors import ConfigError

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """Return a port that no process listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def require_free(port: int, flag: str) -> None:
    """Raise ConfigError if `port` is in use, naming the flag that chooses another."""
    with socket.socket() as probe:
        # Servers set it too: the port of a server that just stopped is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise ConfigError(
                f"port {port} cannot be used ({error.strerror}): choose another with {flag}"
            ) from None
