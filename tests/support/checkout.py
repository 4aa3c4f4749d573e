"""Copies of the checkout, and virtual environments that borrow the dependencies of this one."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

from support.paths import ROOT
from support.processes import clean_environment


def run(*command: str | Path, folder: Path) -> str:
    """Run a command that must succeed; return its standard output."""
    ended = subprocess.run(
        list(map(str, command)), cwd=folder, env=clean_environment(), capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def copy_checkout(copy: Path) -> Path:
    """Copy the files that git tracks or would track."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", folder=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


def site_packages(home: Path) -> Path:
    (found,) = (home / "lib").glob("python3*/site-packages")
    return found


def make_environment(home: Path) -> Path:
    """Make a virtual environment whose own packages are found before our dependencies."""
    venv.create(home, with_pip=False)
    # Only a folder on the path: an editable install of this checkout stays unknown there.
    dependencies = Path(pytest.__file__).parents[1]
    (site_packages(home) / "dependencies.pth").write_text(f"{dependencies}\n")
    return home


def install_commit(commit: str, home: Path) -> Path:
    """Install the package of an earlier commit; returns the Python that runs it.

    Skips the test where the history does not reach back to it.
    """
    read = ["git", "show", f"{commit}:pyproject.toml"]
    found = subprocess.run(read, cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(f"{commit} is not in this clone: `git fetch --unshallow` gets it")
    folders = tomllib.loads(found.stdout)["tool"]["setuptools"]["package-dir"]
    archive = ["git", "archive", commit, *folders.values()]
    archived = subprocess.run(archive, cwd=ROOT, capture_output=True, check=True)
    environment = make_environment(home / "venv")
    (home / "tree").mkdir()
    subprocess.run(["tar", "-x", "-C", home / "tree"], input=archived.stdout, check=True)
    # A wheel would take seconds, and hold the same.
    for package, folder in sorted(folders.items()):
        shutil.move(home / "tree" / folder, site_packages(environment) / package.replace(".", "/"))
    return environment / "bin" / "python"


def find_interpreters() -> dict[str, str]:
    """Return the other Pythons of this machine that the package supports, by version."""
    folders = [
        *map(Path, os.environ.get("PATH", "").split(os.pathsep)),
        *(Path.home() / ".pyenv" / "versions").glob("3.*/bin"),
    ]
    found = {}
    for path in (path for folder in folders for path in sorted(folder.glob("python3.[0-9]*"))):
        match = re.fullmatch(r"python3\.(\d+)", path.name)
        if match and int(match[1]) >= 11 and int(match[1]) != sys.version_info.minor:
            # A shim of pyenv may exist for a version that is not enabled.
            if subprocess.run([path, "--version"], capture_output=True).returncode == 0:
                found.setdefault(f"3.{match[1]}", str(path))
    return found
