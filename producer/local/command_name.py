"""How the command line is called on this machine."""

from __future__ import annotations

import shlex
import shutil
import sys
from contextlib import suppress
from pathlib import Path


def name_command() -> str:
    """Return `imagequeue`, or its path where a shell would not find it."""
    if shutil.which("imagequeue"):
        return "imagequeue"
    path = Path(sys.argv[0])
    with suppress(ValueError):
        path = path.relative_to(Path.cwd())
    return shlex.quote(str(path))
