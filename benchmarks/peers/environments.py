"""An environment of its own for each peer, so that no version is a compromise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parents[2] / ".venv" / "peers"


def bin_of(name: str, requirements: tuple[str, ...]) -> Path:
    """The folder of its programs, made with pip at the first call."""
    folder = HOME / name
    made, wanted = folder / "made", "\n".join(requirements)
    if not made.exists() or made.read_text() != wanted:
        print(f"making an environment for {name} ...", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "-qqq"]
        subprocess.run([*pip, *requirements], check=True)
        made.write_text(wanted)
    return folder / "bin"
