"""The wheel: built from what git tracks, installed away from the checkout, and run."""

import sys
from pathlib import Path

import pytest

from support.checkout import copy_checkout, make_environment, run, site_packages
from support.paths import ROOT

NEEDED = (
    "producer/local/Procfile",
    "py.typed",
    "store/lua/add_jobs.lua",
    "store/lua/transition.lua",
    "producer/dashboard/static/live.js",
    "producer/dashboard/templates/base.html",
    "providers/conformance/cases.py",
    "providers/kie/models.toml",
    "sandbox/sample.mp4",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel, and with our dependencies on its path."""
    folder = tmp_path_factory.mktemp("wheel")
    source = copy_checkout(folder / "any-name")
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder)
    run(*build, source, folder=folder)
    (wheel,) = folder.glob("*.whl")
    home = make_environment(folder / "venv")
    pip = (sys.executable, "-m", "pip", "--python", home / "bin" / "python", "install")
    run(*pip, "--no-deps", "--no-index", "--no-compile", "--quiet", wheel, folder=folder)
    return home


def test_wheel_adds_one_name_and_all_its_files(home: Path) -> None:
    installed = {path.name for path in site_packages(home).iterdir()}
    ours = {name for name in installed if name != "dependencies.pth"}
    assert {name.partition("-")[0] for name in ours} == {"imagequeue"}
    package = site_packages(home) / "imagequeue"
    assert [name for name in NEEDED if not (package / name).is_file()] == []
    scripts = sorted(path.name for path in (ROOT / "store" / "lua").glob("*.lua"))
    assert sorted(path.name for path in (package / "store" / "lua").glob("*.lua")) == scripts
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
