"""Loopback ports: find a free one, or refuse one that is in use."""

from __future__ import annotations

import socket

import psutil

from ...errors import ConfigError

LOOPBACK = "127.0.0.1"
MAX_COMMAND = 100


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
            holder = _describe_holder(port)
            raise ConfigError(
                f"port {port} cannot be used ({error.strerror}{holder}): choose another with {flag}"
            ) from None


def _describe_holder(port: int) -> str:
    """Return who listens on the port, as far as this user may see it."""
    try:
        for each in psutil.net_connections("tcp"):
            if each.laddr and each.laddr.port == port and each.status == psutil.CONN_LISTEN:
                command = " ".join(psutil.Process(each.pid).cmdline()) if each.pid else ""
                return f" by pid {each.pid}, `{command[:MAX_COMMAND]}`" if command else ""
    except (psutil.Error, OSError):
        pass
    return ""
