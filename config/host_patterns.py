"""Hosts as settings list them: `a.example:443`, `*.example.com:443`, `[::1]:8080`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from contextlib import suppress
from fnmatch import fnmatchcase

_NAME = re.compile(r"[^\s:/@?#\[\]]+")


def check_pattern(pattern: str, *, needs_port: bool) -> str:
    """Return a pattern; raises ValueError for one that no host can fit."""
    name, port = _split(pattern.strip().lower())
    is_host = _is_address(name) if set(":[") & {*name, pattern[:1]} else bool(_NAME.fullmatch(name))
    is_port = port.isascii() and port.isdecimal() and 0 < int(port[:6]) <= 65535
    if is_host and (is_port or not (needs_port or pattern.endswith(":") or port)):
        return pattern
    form = "host:port, such as images.example.com:443" if needs_port else "host or host:port"
    hint = "; networks go into TRUSTED_NETWORKS" if re.search(r"/[\d.]+$", pattern) else ""
    raise ValueError(f"must be {form}, without a scheme or a path{hint}")


class HostPatterns:
    """The hosts that a setting lists; a port is part of each or optional."""

    def __init__(self, patterns: Iterable[str], *, needs_port: bool) -> None:
        self._patterns = [_split(pattern.strip().lower()) for pattern in patterns]
        self._needs_port = needs_port

    def match(self, host: str, port: str) -> bool:
        """Return whether one of the patterns fits a host, in lower case and without brackets."""
        ports = {port} if self._needs_port else {port, ""}
        host = host.rstrip(".")
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
    return (pattern, "") if ":" in port else (name.rstrip("."), port)


def _is_address(name: str) -> bool:
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False
