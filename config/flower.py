"""Flower's configuration file: readable tasks, and local requests only unless a password is set."""

# Flower executes this file outside of any package.
__package__ = "imagequeue.config"

import sys
from typing import Any

from flower.app import Flower  # type: ignore[import-untyped]
from tornado.options import options
from tornado.web import ErrorHandler

from .http.local_requests import is_local_request, is_loopback

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


has_password = bool(options.basic_auth or options.auth)

if not (has_password or options.unix_socket or is_loopback(address)):
    sys.exit(
        f"flower: listening on {address} needs a password: set FLOWER_BASIC_AUTH=user:password, "
        "or leave out the address to stay on loopback"
    )

find_any_handler = Flower.find_handler


def find_handler(self: Any, request: Any, **options: Any) -> Any:
    """Answer 403 to what is not a local request: a proxy, or a page that rebinds its name."""
    connection, version = request.connection, request.version.removeprefix("HTTP/")
    end = connection.stream.socket
    peer, server = connection.context.address[:2], end.getsockname()[:2]
    if not is_local_request(peer, server, version, request.headers, end):
        return self.get_handler_delegate(request, ErrorHandler, {"status_code": 403})
    return find_any_handler(self, request, **options)


if not (has_password or options.unix_socket):
    Flower.find_handler = find_handler
