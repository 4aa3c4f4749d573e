"""The callback receiver, the only process that providers reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.applications import Starlette


def __getattr__(name: str) -> Starlette:
    """Create `app` on first access, so that importing this package connects to nothing."""
    if name != "app":
        raise AttributeError(name)
    from ...config.process import exit_on_config_error, start_process
    from .application import create_app

    with exit_on_config_error():
        return create_app(start_process())
