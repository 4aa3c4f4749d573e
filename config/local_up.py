"""The settings of an `imagequeue up` that runs on this machine, for programs find_local_up it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

FILE = "up.env"
_PID = "# of process "


@contextmanager
def publish_local_up(data_dir: Path, variables: Mapping[str, str]) -> Iterator[None]:
    """Keep settings for programs with the same data folder, for as long as this process runs."""
    path = data_dir / FILE
    data_dir.mkdir(parents=True, exist_ok=True)
    # Made anew: the mode of a file that is there would stay what it was, and secrets are inside.
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
    """The file with the settings of the `up` that runs; one that was killed has none."""
    path = data_dir / FILE
    with suppress(OSError, ValueError):
        os.kill(int(path.read_text().partition("\n")[0].removeprefix(_PID)), 0)
        return path
    return None
