"""Files of a finished round."""

from __future__ import annotations

import os
import time
from pathlib import Path


def put_aside(folder: Path) -> None:
    """Truncate a folder's files and rename it; everything is removed at the end of the benchmark.

    ext4 does not reuse an inode for minutes, and looks at every recently freed one when it creates
    a file: the rounds that follow would pay for removing this one's files.
    """
    for path in folder.rglob("*"):
        if path.is_file():
            os.truncate(path, 0)
    folder.rename(folder.with_name(f"{folder.name}-{time.monotonic_ns()}"))
