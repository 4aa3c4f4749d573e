"""Serve the receiver with every limit: `python -m imagequeue.worker.receiver`."""

from __future__ import annotations

import argparse

import uvicorn

from ...config.process import exit_on_config_error, start_process
from .application import create_app, server_options


def main() -> None:
    """Read the address from the command line and serve until a signal."""
    parser = argparse.ArgumentParser(description="The callback receiver.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001)
    options = parser.parse_args()
    with exit_on_config_error():
        app = create_app(start_process())
    uvicorn.run(app, host=options.host, port=options.port, **server_options())


if __name__ == "__main__":
    main()
