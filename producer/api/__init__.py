"""The HTTP API, built on the Python client."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI


def __getattr__(name: str) -> FastAPI:
    """Create `app` on first access, so that an import of this package connects to nothing."""
    if name != "app":
        raise AttributeError(name)
    from ...config.process import exit_on_config_error, start_process
    from .application import create_app

    with exit_on_config_error():
        return create_app(start_process())
