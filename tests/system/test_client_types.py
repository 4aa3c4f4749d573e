"""Type checkers refuse wrong names, parameters and states, and accept what is right."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.paths import ROOT

FOLDER = ROOT / "tests" / "typing"
NAMES = ("python_client.py", "async_client.py", "edit_csv.py", "fastapi_service.py")
EXAMPLES = [ROOT / "examples" / name for name in NAMES]
RIGHT = [FOLDER / "right.py", *EXAMPLES]
WRONG = FOLDER / "mistakes.py"
FOLDERS = ("client", "config", "jobs", "producer", "providers", "storage", "store")
MYPY = """
[mypy]
strict = true
mypy_path = {}
[mypy-imagequeue.producer.*,imagequeue.store.*,imagequeue.jobs.filter,imagequeue.config.settings]
follow_imports = skip
[mypy-httpx._main,idna.*,markdown_it.*,multiprocessing.*,opentelemetry.*,rich.*]
follow_imports = skip
"""
Errors = set[tuple[str, int]]
"""The file and the line of each."""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with the package as it is installed."""
    package = tmp_path / "imagequeue"
    package.mkdir()
    for path in (*ROOT.glob("imagequeue/*.py"), ROOT / "imagequeue" / "py.typed"):
        (package / path.name).symlink_to(path)
    for name in FOLDERS:
        (package / name).symlink_to(ROOT / name)
    return tmp_path


def run(module: str, *arguments: str | Path) -> str:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100).stdout


def check_by_mypy(package: Path) -> Errors:
    config = package / "mypy.ini"
    config.write_text(MYPY.format(package))
    options = ("--config-file", config, "--cache-dir", os.devnull)
    printed = run("mypy", *options, *RIGHT, WRONG)
    assert "Found" in printed, printed
    found = re.findall(r"^(.+?):(\d+): error:", printed, re.MULTILINE)
    return {(Path(file).name, int(line)) for file, line in found}


def check_by_pyright(package: Path) -> Errors:
    config = package / "pyrightconfig.json"
    settings = {"extraPaths": [str(package)], "typeCheckingMode": "strict"}
    include = [str(path) for path in (*RIGHT, WRONG)]
    config.write_text(json.dumps({**settings, "include": include, "pythonVersion": "3.11"}))
    options = ("--pythonpath", sys.executable, "--outputjson")
    found = json.loads(run("basedpyright", "-p", config, *options))
    assert found["summary"]["filesAnalyzed"] == len(include)
    return {
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1)
        for each in found["generalDiagnostics"]
    }


@pytest.mark.parametrize("check", [check_by_mypy, check_by_pyright])
def test_each_mistake_is_an_error_and_nothing_else(
    check: Callable[[Path], Errors], package: Path
) -> None:
    lines = WRONG.read_text().splitlines()
    mistakes = {("mistakes.py", n) for n, line in enumerate(lines, 1) if line.endswith("# wrong")}
    assert len(mistakes) == 17
    assert check(package) == mistakes
