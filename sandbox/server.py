"""Serving of a sandbox over HTTP until a signal ends the process."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import click
import uvicorn

from .app import create_app
from .faults.broken_responses import HangUpProtocol
from .options import Options


def serve(options: Options, listener: socket.socket) -> None:
    """Run a sandbox on a listening socket; SIGTERM or Ctrl-C ends it with status 0."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    config = uvicorn.Config(create_app(options), http=HangUpProtocol, log_level="warning")
    host, port = listener.getsockname()[:2]
    click.echo(f"sandbox listening on http://{host}:{port}")
    _Server(config).run([listener])


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `_exit`."""
        yield


def _exit(number: int, frame: object) -> None:
    # uvicorn would wait for open requests, the interpreter for callbacks being sent. There is
    # nothing to save: the log is flushed with each line.
    os._exit(0)
