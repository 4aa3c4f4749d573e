"""Serves a sandbox over HTTP until a signal ends the process."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import click
import uvicorn

from .app import create_app
from .broken_responses import HangUpProtocol
from .options import Options


def serve(options: Options, listener: socket.socket) -> None:
    """Run a sandbox on a listening socket and say so; SIGTERM or Ctrl-C ends it with status 0."""
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, _leave)
    config = uvicorn.Config(create_app(options), http=HangUpProtocol, log_level="warning")
    host, port = listener.getsockname()[:2]
    click.echo(f"sandbox listening on http://{host}:{port}")
    _Server(config).run([listener])


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `_leave`."""
        yield


def _leave(number: int, frame: object) -> None:
    # At once: uvicorn would wait for held answers, the interpreter for callbacks being sent,
    # and there is nothing to save: the log is flushed with each line.
    os._exit(0)
