"""The Lua scripts in `lua/`, each found by its file name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import redis

FOLDER = Path(__file__).with_name("lua")


def read_script(name: str) -> str:
    """Return the source of `lua/{name}.lua`."""
    return (FOLDER / f"{name}.lua").read_text()


def register_script(client: redis.Redis, name: str) -> Any:
    """Return the script `name` as a function of `keys` and `args`."""
    return client.register_script(read_script(name))
