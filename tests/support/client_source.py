"""Write the client that blocks from the one for asyncio: `make client`."""

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import unasync

from imagequeue.providers import accounts
from support.client_parameters import write_parameters
from support.client_signatures import write_signatures
from support.client_types import write_catalogue
from support.paths import ROOT

PACKAGE = ROOT / "client"
HEAD = "# Written by `make client` from {}: change that one.\n"
NAMES = {
    "AsyncBackground": "Background",
    "AsyncBaseTransport": "BaseTransport",
    "AsyncClient": "Client",
    "AsyncImage": "Image",
    "AsyncJob": "Job",
    "AsyncPage": "Page",
    "AsyncSignal": "Signal",
    "AsyncSubmits": "Submits",
    "AsyncSubmitting": "Submitting",
    "AsyncSlots": "Slots",
    "AsyncTransport": "Transport",
    "AsyncWatch": "Watch",
    "_async": "_sync",
    "aclose": "close",
    "aclosing": "closing",
    "aiter_lines": "iter_lines",
    "anext": "next",
    "aread": "read",
    "async_sleep": "sleep",
}


def write(folder: Path) -> None:
    """Write all that is generated into a copy of the package's folder."""
    (folder / "catalogue.py").write_text(write_catalogue())
    for path in folder.glob("parameters/[!_]*.py"):
        path.unlink()
    for account in accounts():
        path = folder / "parameters" / f"{account.name}.py"
        path.write_text(write_parameters(account))
    (folder / "_async" / "submits.py").write_text(write_signatures())
    rule = unasync.Rule(f"{folder}/_async/", f"{folder}/_sync/", NAMES)
    unasync.unasync_files([str(path) for path in folder.glob("_async/*.py")], [rule])
    for path in folder.glob("_sync/*.py"):
        path.write_text(HEAD.format(f"_async/{path.name}") + path.read_text())
    ruff = str(Path(sys.executable).with_name("ruff"))
    config = ["--config", str(ROOT / "pyproject.toml"), "-q", str(folder)]
    subprocess.run([ruff, "check", "--fix", "--select", "I,F401", *config], check=True)
    subprocess.run([ruff, "format", *config], check=True)


def copy_sources(folder: Path) -> None:
    """Copy the package without the client that blocks, which is written."""
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__", "_sync"))


def read_modules(folder: Path) -> dict[Path, str]:
    """Return the text of each module below a folder."""
    return {path.relative_to(folder): path.read_text() for path in folder.rglob("*.py")}


if __name__ == "__main__":
    with TemporaryDirectory() as name:
        folder = Path(name, "client")
        copy_sources(folder)
        write(folder)
        for path, text in read_modules(folder).items():
            target = Path(*sys.argv[1:2] or [PACKAGE]) / path
            target.parent.mkdir(exist_ok=True)
            target.write_text(text)
