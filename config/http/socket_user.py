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
SYN_SENT, LISTENING = 2, 10
WITHOUT_REQUESTS = {SYN_SENT, LISTENING}
"""The states of a socket that has sent nothing: it has the address of an earlier one."""
HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, sender
QUERY = struct.Struct("=BBBxI")  # family, protocol, extensions, states
ENDS = struct.Struct("!HH16s16s")  # ports and addresses
ANY_SOCKET = struct.pack("=III", 0, NO_COOKIE, NO_COOKIE)  # of any interface
ANSWER = struct.Struct("=4xH10xxB62xII")  # type, state, user, inode
NOBODY = -1
"""The user of an end that its process has closed. The kernel calls it root, and its inode 0."""


def find_user(peer: Endpoint, server: Endpoint | None) -> int | None:
    """Return the user whose process is connected from `peer` to `server`, if that is known.

    NOBODY if the process has closed its end: any user may have sent what came before. None where
    the system does not tell. A proxy that adds no header at all usually runs as a user of its own.
    """
    user = _ask_kernel(peer, server) if server else None
    # The kernel may lack sock_diag. The list of all sockets takes it milliseconds to write.
    return _search_list(peer, server) if user is None else user


def _ask_kernel(peer: Endpoint, server: Endpoint) -> int | None:
    """Return the user of one socket; None if the kernel lacks sock_diag, or has no such socket."""
    with suppress(OSError, ValueError, AttributeError):  # other systems have no AF_NETLINK
        query = _build_query(peer, server)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
            kernel.send(query)
            answer = kernel.recv(4096)
        if len(answer) >= ANSWER.size:
            kind, state, user, inode = ANSWER.unpack_from(answer)
            if kind == SOCK_DIAG_BY_FAMILY and state not in WITHOUT_REQUESTS:
                return int(user) if inode else NOBODY
    return None


def _build_query(peer: Endpoint, server: Endpoint) -> bytes:
    ends = [ipaddress.ip_address(host).packed for host, _ in (peer, server)]
    family = socket.AF_INET if len(ends[0]) == 4 else socket.AF_INET6
    query = QUERY.pack(family, socket.IPPROTO_TCP, 0, ANY_STATE)
    query += ENDS.pack(peer[1], server[1], *ends) + ANY_SOCKET
    length = HEADER.size + len(query)
    return HEADER.pack(length, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0) + query


def _search_list(peer: Endpoint, server: Endpoint | None) -> int | None:
    """Return the user of the socket with these addresses, which may be on either list."""
    local, remote = _list_forms(peer), _list_forms(server) if server else set()
    is_told = False
    for found_local, found_remote, state, user, inode in _iter_sockets():
        is_told = True
        # Another user may be connected to another server from the same port.
        is_it = found_local in local and (not remote or found_remote in remote)
        if is_it and int(state, 16) not in WITHOUT_REQUESTS and int(inode):
            return int(user)
    return NOBODY if is_told else None


def _iter_sockets() -> Iterator[tuple[str, ...]]:
    """Yield the two addresses, state, user id and inode of each TCP socket of this machine."""
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path("/proc/net", table).read_text().splitlines()[1:]:
                fields = line.split()
                yield (*fields[1:4], fields[7], fields[9])


def _list_forms(endpoint: Endpoint) -> set[str]:
    """Return what the lists may call an address: IPv6 sockets write IPv4 with a prefix."""
    host, port = endpoint
    try:
        packed = ipaddress.ip_address(host).packed
    except ValueError:  # a name, such as that of a server whose address is not known
        return set()
    forms = (packed, packed[-4:], bytes(10) + b"\xff\xff" + packed[-4:])
    return {f"{_to_hex(each)}:{port:04X}" for each in forms}


def _to_hex(packed: bytes) -> str:
    """Return an address in the kernel's form: words in the byte order of this machine."""
    return "".join(f"{word:08X}" for (word,) in struct.iter_unpack("=I", packed))
