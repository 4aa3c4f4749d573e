"""Programs in Node, with the packages of `tests/node`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from support.paths import ROOT
from support.processes import find_command

NODE = ROOT / "tests" / "node"
# Beside the Python packages, so that test runs share one installation.
INSTALLED = Path(sys.prefix) / "node-of-the-tests"


def copy_program(name: str, folder: Path) -> Path:
    """Put a program beside its packages; return the folder, or skip the test without Node."""
    folder = folder / "node"
    folder.mkdir()
    shutil.copy(NODE / name, folder)
    # Node looks for modules beside the file that imports them.
    (folder / "node_modules").symlink_to(_install_packages())
    return folder


def _install_packages() -> Path:
    """Install the packages of the lock file, once."""
    find_command("node")
    npm = find_command("npm")
    lock = (NODE / "package-lock.json").read_bytes()
    folder = INSTALLED.with_name(f"{INSTALLED.name}-{os.getpid()}")
    installed = INSTALLED / "package-lock.json"
    if not installed.exists() or installed.read_bytes() != lock:
        shutil.copytree(NODE, folder)
        command = (npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        shutil.rmtree(INSTALLED, ignore_errors=True)
        folder.rename(INSTALLED)
    return INSTALLED / "node_modules"
