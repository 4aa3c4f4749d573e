"""The Dockerfile and its build context: pinned, without root, compiler or secret."""

from __future__ import annotations

import re
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

from support.checkout import run
from support.paths import ROOT

DOCKERFILE = ROOT / "Dockerfile"
SECRET = re.compile(r"KEY|SECRET|PASS|TOKEN|AUTH|CREDENTIAL", re.IGNORECASE)


def read_instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, continuation lines joined."""
    text = re.sub(r"\\\n\s*", " ", re.sub(r"(?m)^\s*#.*\n", "", DOCKERFILE.read_text()))
    return [
        (line.split()[0].upper(), line.split(maxsplit=1)[1]) for line in text.splitlines() if line
    ]


def test_dockerfile_is_clean() -> None:
    run(Path(sys.executable).with_name("hadolint"), "--no-color", DOCKERFILE, folder=ROOT)


def test_image_is_pinned_and_does_not_run_as_root() -> None:
    lines = read_instructions()
    stages = [index for index, (word, _) in enumerate(lines) if word == "FROM"]
    froms = [lines[index][1].split(" AS ") for index in stages]
    named = {parts[1] for parts in froms if len(parts) == 2}
    pulled = [base for base, *_ in froms if base not in named]
    assert pulled
    assert all(re.fullmatch(r"python:3\.\d+-slim-\w+", base) for base in pulled)
    last = lines[stages[-1] :]
    # In Docker the last USER wins, and the default is root.
    user = [rest for word, rest in last if word == "USER"][-1:]
    assert user
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user[0])
    assert not any("apt-get" in rest for _, rest in lines), "wheels need no compiler"
    assert "/data" in [rest for word, rest in last if word == "VOLUME"]
    assert [rest for word, rest in last if word in ("CMD", "ENTRYPOINT")] == [
        '["imagequeue", "--help"]'
    ]


def test_image_contains_no_secret() -> None:
    for word, rest in read_instructions():
        assert word != "ADD"
        assert word not in ("ENV", "ARG") or not SECRET.search(rest)


def test_image_has_the_extras_that_settings_ask_for() -> None:
    texts = "".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))
    asked = set(re.findall(r"\bimagequeue\[(\w+)\]", texts)) - {
        "parquet"
    }  # an option of exports, not a setting
    (installed,) = re.findall(r"pip wheel .*'\.\[([\w,]+)\]'", DOCKERFILE.read_text())
    assert asked == {*installed.split(",")}


def test_build_context_has_the_package_and_nothing_private() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    folders = project["tool"]["setuptools"]["packages"]
    needed = {folder.split(".")[1] for folder in folders if "." in folder}
    needed |= {"pyproject.toml", "README.md", "LICENSE", "Procfile", "py.typed", "__init__.py"}

    def ignored(name: str) -> bool:
        return any(fnmatch(name, pattern) for pattern in patterns)

    assert not [name for name in needed if ignored(name)]
    private = (".env", ".env.local", ".git", ".venv", "data", "tests")
    assert [name for name in private if not ignored(name)] == []
