"""Loopback ports: a free one, or a clear refusal of one that is taken."""

from __future__ import annotations

import socket

from ...errors import ConfigError

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def require_free(port: int, flag: str) -> None:
    """Raise ConfigError if somebody listens on `port`, naming the flag that chooses another."""
    with socket.socket() as probe:
        # As servers do: a port of a server that just stopped is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise ConfigError(
                f"port {port} cannot be used ({error.strerror}): choose another with {flag}"
            ) from None
