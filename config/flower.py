"""Flower's configuration file: readable tasks, and loopback only unless a password is set."""

import ipaddress
import sys
from typing import Any

from tornado.options import options


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server that listens on `host`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


address = options.address or "127.0.0.1"
max_tasks = 10_000
# The job first; the task's own id leads to its page. The result is the number of jobs it processed.
tasks_columns = "args,name,state,received,runtime,result,retries,worker,uuid"


def format_task(task: Any) -> Any:
    """Shorten what is shown to `submit` and the job's id; a search finds the full names too."""
    task.name = (task.name or "").removeprefix("imagequeue.")
    task.args = (task.args or "").strip("()[],'\"")
    # A message carries nothing but the job's id.
    task.kwargs = "" if task.kwargs == "{}" else task.kwargs
    return task


if not (options.basic_auth or options.auth or options.unix_socket or is_loopback(address)):
    sys.exit(
        f"flower: listening on {address} needs a password: set FLOWER_BASIC_AUTH=user:password, "
        "or leave out the address to stay on loopback"
    )
