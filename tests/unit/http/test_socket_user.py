"""The user at the other end of a connection is found by the kernel, and in its list."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from imagequeue.config.http import socket_user
from imagequeue.config.http.socket_user import NOBODY, Endpoint, find_user
from imagequeue.config.http.socket_user import _ask_kernel as ask_kernel

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")


@contextmanager
def connected(
    connect_to: str = "127.0.0.1", *, dual: bool = False
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield both ends of a connection: that of the client, and that of the server."""
    family = socket.AF_INET6 if dual or connect_to == "::1" else socket.AF_INET
    listener = socket.create_server(
        ("::" if dual else connect_to.removeprefix("::ffff:"), 0),
        family=family,
        dualstack_ipv6=dual,
    )
    with listener, socket.create_connection((connect_to, listener.getsockname()[1])) as client:
        accepted, _ = listener.accept()
        with accepted:
            yield client, accepted


def ends_of(accepted: socket.socket) -> tuple[Endpoint, Endpoint]:
    peer, server = accepted.getpeername(), accepted.getsockname()
    return (peer[0], peer[1]), (server[0], server[1])


@pytest.mark.parametrize("connect_to", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("dual", [False, True])
def test_user_is_found_until_the_peer_closes(connect_to: str, dual: bool) -> None:
    with connected(connect_to, dual=dual) as (client, accepted):
        peer, server = ends_of(accepted)
        assert ask_kernel(peer, server) == find_user(peer, None) == os.geteuid()
        client.shutdown(socket.SHUT_WR)  # it has sent all, and waits for the answer
        assert ask_kernel(peer, server) == find_user(peer, None) == os.geteuid()
        client.close()
        # The kernel has the end of nobody's process as if it were root's.
        assert [find_user(peer, each) for each in (server, None)] == [NOBODY] * 2
    assert [find_user(peer, each) for each in (server, None)] == [NOBODY] * 2


def test_socket_of_the_same_port_to_another_server_is_not_the_peers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with connected() as (client, accepted):
        peer, server = ends_of(accepted)
        monkeypatch.setattr(socket_user, "_ask_kernel", lambda *_: None)
        assert find_user(peer, server) == os.geteuid()
        assert find_user(peer, (server[0], client.getsockname()[1])) == NOBODY


def test_address_of_no_socket_is_nobodys() -> None:
    for server in (("no address", 80), ("127.0.0.1", 1), ("::1", 1), None):
        assert find_user(("127.0.0.1", 1), server) == NOBODY


def test_system_that_lists_no_sockets_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_user, "_iter_sockets", lambda: iter(()))
    assert find_user(("127.0.0.1", 1), None) is None
