"""The wheel: built from what git tracks, installed away from the checkout, and run."""

import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from support.paths import ROOT
from support.processes import clean_environment

NEEDED = (
    "producer/local/Procfile",
    "py.typed",
    "store/lua/add_jobs.lua",
    "store/lua/transition.lua",
    "producer/dashboard/static/live.js",
    "producer/dashboard/templates/base.html",
    "sandbox/sample.mp4",
)


def run(*command: str | Path, folder: Path) -> str:
    ended = subprocess.run(
        list(map(str, command)), cwd=folder, env=clean_environment(), capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def copy_of_the_checkout(folder: Path) -> Path:
    """A copy under a name of its own, without anything that lies about untracked."""
    copy = folder / "any-name"
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", folder=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that holds the wheel and sees our dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    source = copy_of_the_checkout(folder)
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder)
    run(*build, source, folder=folder)
    (wheel,) = folder.glob("*.whl")
    home = folder / "venv"
    venv.create(home, with_pip=False)
    pip = (sys.executable, "-m", "pip", "--python", home / "bin" / "python", "install")
    run(*pip, "--no-deps", "--no-index", "--quiet", wheel, folder=folder)
    # Behind the environment's own folder, so that the wheel's imagequeue is found first.
    (site_packages(home) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home


def site_packages(home: Path) -> Path:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return home / "lib" / version / "site-packages"


def test_the_wheel_adds_one_name_and_all_its_files(home: Path) -> None:
    installed = {path.name for path in site_packages(home).iterdir()}
    ours = {name for name in installed if name != "dependencies.pth"}
    assert {name.partition("-")[0] for name in ours} == {"imagequeue"}
    package = site_packages(home) / "imagequeue"
    assert [name for name in NEEDED if not (package / name).is_file()] == []
    scripts = sorted(path.name for path in (ROOT / "store" / "lua").glob("*.lua"))
    assert sorted(path.name for path in (package / "store" / "lua").glob("*.lua")) == scripts
    assert not {"tests", "benchmarks", "examples", "deploy"} & {p.name for p in package.iterdir()}


def test_the_wheel_is_what_is_imported(home: Path, tmp_path: Path) -> None:
    code = "import imagequeue, imagequeue.worker.tasks as t; print(imagequeue.__file__, t.__file__)"
    for path in run(home / "bin" / "python", "-c", code, folder=tmp_path).split():
        assert Path(path).is_relative_to(site_packages(home))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--help"], "up "), (["sandbox", "--help"], "--kie-limit"), (["--version"], "version 0.")],
)
def test_the_command_line_runs_from_the_wheel(
    home: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    assert words in run(home / "bin" / "imagequeue", *arguments, folder=tmp_path)
