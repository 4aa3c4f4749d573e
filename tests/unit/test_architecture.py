"""Imports point one way, are relative inside the package, and every module has a docstring."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagequeue.providers import accounts
from support.paths import ROOT

PACKAGES = ("config", "jobs", "producer", "providers", "sandbox", "storage", "store", "worker")
# What each package may import from this project, besides itself.
ALLOWED = {
    "config": {"providers", "errors", "field_types"},
    "providers": {"errors", "field_types", "json_values"},
    "jobs": {"config", "providers", "errors", "json_values"},
    "storage": {"errors"},
    "store": {"config", "jobs", "providers", "errors"},
    "producer": {"config", "jobs", "providers", "storage", "store", "errors", "__version__"},
    "worker": {"config", "jobs", "providers", "storage", "store", "errors"},
    "sandbox": set(),
    "errors": set(),
    "field_types": set(),
    "json_values": set(),
    "__init__": {"config", "jobs", "producer", "store", "errors"},
    "__main__": {"producer"},
}
MODULES = [
    *(ROOT / "imagequeue").glob("*.py"),
    *(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")),
]

# Sample requests to real providers.
SAMPLES = ("demo.py", "examples.py")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> Iterator[str]:
    """Yield what a module imports, as seen from the package's root: `.jobs.store.Store`."""
    package = tuple(part for part in path.relative_to(ROOT).parent.parts if part != "imagequeue")
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if not node.level:
                yield node.module or ""
                continue
            base = package[: len(package) - node.level + 1]
            parts = (*base, *([node.module] if node.module else []))
            yield from ("." + ".".join((*parts, alias.name)) for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_imports_only_what_its_package_may(path: Path) -> None:
    own = path.relative_to(ROOT).as_posix().removeprefix("imagequeue/").partition("/")[0]
    own = own.removesuffix(".py")
    ours = {name.split(".")[1] for name in imports(path) if name.startswith(".")}
    assert ours - {own} <= ALLOWED[own]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_vendors_are_named_in_their_folders_only(path: Path) -> None:
    if path.relative_to(ROOT).parts[0] in ("providers", "sandbox") or path.name in SAMPLES:
        return
    words = set(re.findall(r"[a-z]+", path.read_text().lower()))
    assert words.isdisjoint(account.name for account in accounts())


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_inside_the_package_are_relative(path: Path) -> None:
    roots = {name.partition(".")[0] for name in imports(path)}
    assert roots & {"imagequeue", *PACKAGES} == set()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_has_a_docstring(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert docstring.split("\n")[0].endswith((".", ":"))


def test_every_folder_with_code_is_checked() -> None:
    code = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert code - {"imagequeue", "tests", "benchmarks", "examples"} == set(PACKAGES)
