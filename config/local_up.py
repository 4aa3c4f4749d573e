"""A running `imagequeue up` publishes its settings to programs with the same data folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

FILE = "up.env"
_PID = "# of process "


@contextmanager
def publish_local_up(data_dir: Path, variables: Mapping[str, str]) -> Iterator[None]:
    """Write the settings to a file in the data folder while the block runs."""
    path = data_dir / FILE
    data_dir.mkdir(parents=True, exist_ok=True)
    # A new file: an existing one would keep its mode, and this one contains secrets.
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    quoted = {
        name: value.replace("\\", r"\\").replace("'", r"\'") for name, value in variables.items()
    }
    lines = [f"{_PID}{os.getpid()}", *(f"{name}='{value}'" for name, value in quoted.items())]
    path.write_text("\n".join(lines) + "\n")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find_local_up(data_dir: Path) -> Path | None:
    """Return the settings file of a running `up`; None if no `up` runs or it was killed."""
    path = data_dir / FILE
    with suppress(OSError, ValueError):
        os.kill(int(path.read_text().partition("\n")[0].removeprefix(_PID)), 0)
        return path
    return None
