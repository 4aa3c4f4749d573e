"""Imports point one way, are relative inside the package, and every module has a docstring."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from imagequeue.providers import accounts
from support.paths import ROOT

PACKAGES = (
    "archive",
    "client",
    "config",
    "jobs",
    "producer",
    "providers",
    "sandbox",
    "storage",
    "store",
    "worker",
)
# What each package may import from this project, besides itself.
ALLOWED = {
    "archive": {"config", "jobs", "errors"},
    "client": {"config", "errors", "jobs", "producer", "__version__"},
    "config": {"providers", "errors", "field_types", "image_names", "suggest"},
    "providers": {"errors", "field_types", "image_names", "json_values", "suggest"},
    "jobs": {
        *("config", "providers"),
        *("errors", "field_types", "image_names", "json_values", "suggest"),
    },
    "storage": {"errors"},
    "store": {"config", "jobs", "providers", "errors"},
    "producer": {
        *("archive", "client", "config", "jobs", "providers", "storage", "store"),
        *("errors", "field_types", "__version__"),
    },
    "worker": {"archive", "config", "jobs", "providers", "storage", "store", "errors"},
    "sandbox": set(),
    "errors": {"client"},
    "field_types": set(),
    "image_names": {"suggest"},
    "json_values": set(),
    "suggest": set(),
    "__init__": {"client", "config", "jobs", "producer", "store", "errors"},
    "__main__": {"producer"},
}
MODULES = [
    *(ROOT / "imagequeue").glob("*.py"),
    *(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")),
]

# Sample requests to real providers, and what `make client` writes of all.
SAMPLES = ("demo.py", "examples.py", "catalogue.py", "submits.py")
# What builds the API and its document, of which that for programs of an SDK is a part.
SERVING = ("application.py", "openapi.py")


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imports(path: Path) -> frozenset[str]:
    """Return what a module imports, as seen from the package's root: `.jobs.store.Store`."""
    return frozenset(find_imports(path))


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements inside, at any depth: the many expressions in them import nothing."""
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.stmt | ast.excepthandler | ast.match_case):
            yield each
            yield from statements(each)


def find_imports(path: Path) -> Iterator[str]:
    package = tuple(part for part in path.relative_to(ROOT).parent.parts if part != "imagequeue")
    for node in statements(parse(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if not node.level:
                yield node.module or ""
                continue
            base = package[: len(package) - node.level + 1]
            parts = (*base, *([node.module] if node.module else []))
            yield from ("." + ".".join((*parts, alias.name)) for alias in node.names)


def test_module_imports_only_what_its_package_may() -> None:
    for path in MODULES:
        own = path.relative_to(ROOT).as_posix().removeprefix("imagequeue/").partition("/")[0]
        own = own.removesuffix(".py")
        ours = {name.split(".")[1] for name in imports(path) if name.startswith(".")}
        assert ours - {own} <= ALLOWED[own], path


def test_vendors_are_named_in_their_folders_only() -> None:
    vendors = {account.name for account in accounts()}
    # An API of ours has the name of a vendor, whoever makes the images.
    served = {"openai"}
    for path in MODULES:
        if path.relative_to(ROOT).parts[0] in ("providers", "sandbox") or path.name in SAMPLES:
            continue
        if path.parent == ROOT / "client" / "parameters":
            continue
        serves = path.parent.name in served or path.name in SERVING
        named = vendors & {*re.findall(r"[a-z]+", path.read_text().lower())}
        assert named <= (served if serves else set()), path


def test_imports_inside_the_package_are_relative() -> None:
    for path in MODULES:
        roots = {name.partition(".")[0] for name in imports(path)}
        assert roots.isdisjoint({"imagequeue", *PACKAGES}), path


def test_module_has_a_docstring() -> None:
    for path in MODULES:
        docstring = ast.get_docstring(parse(path)) or ""
        assert docstring.split("\n")[0].endswith((".", ":")), path


def test_every_folder_with_code_is_checked() -> None:
    code = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert code - {"imagequeue", "tests", "benchmarks", "examples"} == set(PACKAGES)
