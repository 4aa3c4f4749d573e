"""A clone works in any folder and on every current Python."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from support.checkout import copy_checkout, find_interpreters, make_environment, run

NAME = "my queue (2) ünï-main"
FAST_TESTS = ("config/test_settings.py", "config/test_local_up.py", "test_architecture.py")
FOLDERS = ("imagequeue", "client", "config", "jobs", "store", "providers", "storage", "worker")


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


INTERPRETERS = find_interpreters()


@pytest.mark.parametrize("version", INTERPRETERS)
def test_every_file_compiles_without_a_warning(version: str, clone: Path) -> None:
    compiler = (INTERPRETERS[version], "-W", "error", "-m", "compileall", "-q")
    run(*compiler, *FOLDERS, "producer", "sandbox", "tests", "benchmarks", folder=clone)
