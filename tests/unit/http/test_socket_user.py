"""The user at the other end of a connection is found by the kernel, and in its list."""

import os
import socket
import sys

import pytest

from imagequeue.config.http.socket_user import _ask_kernel as ask_kernel
from imagequeue.config.http.socket_user import find_user

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")


@pytest.mark.parametrize("connect_to", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("dual", [False, True])
def test_user_is_found_until_the_connection_ends(connect_to: str, dual: bool) -> None:
    family = socket.AF_INET6 if dual or connect_to == "::1" else socket.AF_INET
    listener = socket.create_server(
        ("::" if dual else connect_to.removeprefix("::ffff:"), 0),
        family=family,
        dualstack_ipv6=dual,
    )
    with listener, socket.create_connection((connect_to, listener.getsockname()[1])) as client:
        accepted, peer = listener.accept()
        with accepted:
            peer, server = peer[:2], accepted.getsockname()[:2]
            assert ask_kernel(peer, server) == find_user(peer, None) == os.geteuid()
            client.close()  # first, so that the kernel remembers this end, as if it were root's
    assert find_user(peer, server) is find_user(peer, None) is None


def test_address_of_no_socket_is_unknown() -> None:
    for server in (("no address", 80), ("127.0.0.1", 1), ("::1", 1), None):
        assert find_user(("127.0.0.1", 1), server) is None
