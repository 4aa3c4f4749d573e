"""A virtual environment for each stack, so that no version is a compromise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parents[2] / ".venv" / "peers"


def bin_of(name: str, requirements: tuple[str, ...]) -> Path:
    """Return the folder of its programs; the first call creates it with pip."""
    folder = HOME / name
    marker, wanted = folder / "made", "\n".join(requirements)
    if not marker.exists() or marker.read_text() != wanted:
        print(f"creating an environment for {name} ...", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "-qqq"]
        subprocess.run([*pip, *requirements], check=True)
        marker.write_text(wanted)
    return folder / "bin"
