"""Hosts as settings list them: `a.example:443`, `*.example.com:443`, `[::1]:8080`."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from contextlib import suppress
from fnmatch import fnmatchcase


class HostPatterns:
    """The hosts that a setting lists; a port is part of each or optional."""

    def __init__(self, patterns: Iterable[str], *, needs_port: bool) -> None:
        self._patterns = [_split(pattern.strip().lower()) for pattern in patterns]
        self._needs_port = needs_port

    def match(self, host: str, port: str) -> bool:
        """Return whether one of the patterns fits a host, in lower case and without brackets."""
        ports = {port} if self._needs_port else {port, ""}
        return any(fnmatchcase(host, name) and at in ports for name, at in self._patterns)


def _split(pattern: str) -> tuple[str, str]:
    """Return the name and the port of a pattern; the port is empty if it has none."""
    if pattern.startswith("["):
        name, _, port = pattern[1:].partition("]")
        with suppress(ValueError):  # URLs have the shortest form of an IPv6 address
            name = str(ipaddress.ip_address(name))
        return name, port.removeprefix(":")
    name, _, port = pattern.partition(":")
    # An IPv6 address without brackets has no port.
    return (pattern, "") if ":" in port else (name, port)
