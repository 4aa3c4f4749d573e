"""The providers' APIs, simulated on this machine: real images, no bill."""

from __future__ import annotations

from .app import create_app
from .options import Options

__all__ = ["Options", "create_app"]
