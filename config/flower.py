"""Flower executes this file: readable tasks, and loopback alone unless it has a password."""

import ipaddress
import sys
from typing import Any

from tornado.options import options


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


address = options.address or "127.0.0.1"
max_tasks = 10_000
# By job; what it was hinted for has an id of its own, which leads to its page. The result is how
# many jobs had their turn with it.
tasks_columns = "args,name,state,received,runtime,result,retries,worker,uuid"


def format_task(task: Any) -> Any:
    """Show `submit` and the job's id, for people; searches still know the whole names."""
    task.name = (task.name or "").removeprefix("imagequeue.")
    task.args = (task.args or "").strip("()[],'\"")
    # A hint carries nothing else.
    task.kwargs = "" if task.kwargs == "{}" else task.kwargs
    return task


if not (options.basic_auth or options.auth or options.unix_socket or is_loopback(address)):
    sys.exit(
        f"flower: listening on {address} needs a password: set FLOWER_BASIC_AUTH=user:password, "
        "or leave out the address to stay on loopback"
    )
