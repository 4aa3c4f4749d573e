"""Flower executes this file: it stays on loopback unless it has a password."""

import ipaddress
import sys

from tornado.options import options


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


address = options.address or "127.0.0.1"
max_tasks = 10_000
tasks_columns = "uuid,name,state,received,runtime,retries,worker"

if not (options.basic_auth or options.auth or options.unix_socket or is_loopback(address)):
    sys.exit(
        f"flower: listening on {address} needs a password: set FLOWER_BASIC_AUTH=user:password, "
        "or leave out the address to stay on loopback"
    )
