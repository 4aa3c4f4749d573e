"""Find the user at the other end of a TCP connection within this machine, on Linux."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

Endpoint = tuple[str, int]
"""An address and a port."""

# sock_diag(7)
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST = 4, 20, 1
ANY_STATE = NO_COOKIE = 0xFFFFFFFF
TIME_WAIT, LISTENING = 6, 10
WITHOUT_PROCESS = {TIME_WAIT, LISTENING}
"""The states of a socket that nobody sends requests with; that of TIME_WAIT counts as root's."""
HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, sender
QUERY = struct.Struct("=BBBxI")  # family, protocol, extensions, states
ENDS = struct.Struct("!HH16s16s")  # ports and addresses
ANY_SOCKET = struct.pack("=III", 0, NO_COOKIE, NO_COOKIE)  # of any interface
ANSWER = struct.Struct("=4xH10xxB62xI4x")  # type, state, user


def find_user(peer: Endpoint, server: Endpoint | None) -> int | None:
    """Return the user whose process connected from `peer` to `server`; None where it is unknown.

    A proxy that adds no header at all usually runs as a user of its own.
    """
    user = _ask_kernel(peer, server) if server else None
    # The kernel may lack sock_diag. The list of all sockets takes it milliseconds to write.
    return _search_list(*peer) if user is None else user


def _ask_kernel(peer: Endpoint, server: Endpoint) -> int | None:
    """Return the user of one socket; None if the kernel lacks sock_diag, or the socket is gone."""
    with suppress(OSError, ValueError, AttributeError):  # other systems have no AF_NETLINK
        query = _build_query(peer, server)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
            kernel.send(query)
            answer = kernel.recv(4096)
        if len(answer) >= ANSWER.size:
            kind, state, user = ANSWER.unpack_from(answer)
            if kind == SOCK_DIAG_BY_FAMILY and state not in WITHOUT_PROCESS:
                return int(user)
    return None


def _build_query(peer: Endpoint, server: Endpoint) -> bytes:
    ends = [ipaddress.ip_address(host).packed for host, _ in (peer, server)]
    family = socket.AF_INET if len(ends[0]) == 4 else socket.AF_INET6
    query = QUERY.pack(family, socket.IPPROTO_TCP, 0, ANY_STATE)
    query += ENDS.pack(peer[1], server[1], *ends) + ANY_SOCKET
    length = HEADER.size + len(query)
    return HEADER.pack(length, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0) + query


def _search_list(host: str, port: int) -> int | None:
    """Return the user of the socket with this address, which may be on either list."""
    packed = ipaddress.ip_address(host).packed
    # IPv4 addresses have two forms: an IPv6 socket writes them with a prefix.
    forms = (packed, packed[-4:], bytes(10) + b"\xff\xff" + packed[-4:])
    wanted = {f"{_to_hex(each)}:{port:04X}" for each in forms}
    users = (
        int(user)
        for local, state, user in _iter_sockets()
        if local in wanted and int(state, 16) not in WITHOUT_PROCESS
    )
    return next(users, None)


def _iter_sockets() -> Iterator[tuple[str, str, str]]:
    """Yield the local address, state and user id of each TCP socket of this machine."""
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path("/proc/net", table).read_text().splitlines()[1:]:
                fields = line.split()
                yield fields[1], fields[3], fields[7]


def _to_hex(packed: bytes) -> str:
    """Return an address in the kernel's form: words in the byte order of this machine."""
    return "".join(f"{word:08X}" for (word,) in struct.iter_unpack("=I", packed))
