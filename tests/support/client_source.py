"""Write the client that blocks from the one for asyncio: `make client`."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import unasync

from support.paths import ROOT

SOURCE = ROOT / "client" / "_async"
WRITTEN = ROOT / "client" / "_sync"
HEAD = "# Written by `make client` from {}: change that one.\n"
NAMES = {
    "AsyncBackground": "Background",
    "AsyncBaseTransport": "BaseTransport",
    "AsyncClient": "Client",
    "AsyncImage": "Image",
    "AsyncJob": "Job",
    "AsyncPage": "Page",
    "AsyncSignal": "Signal",
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


def write_sync(folder: Path) -> None:
    """Write each module of the source into a folder, without asyncio and formatted."""
    rule = unasync.Rule(f"{SOURCE}/", f"{folder}/", NAMES)
    unasync.unasync_files([str(path) for path in SOURCE.glob("*.py")], [rule])
    for path in folder.glob("*.py"):
        path.write_text(HEAD.format(f"_async/{path.name}") + path.read_text())
    ruff = [str(Path(sys.executable).with_name("ruff"))]
    config = ["--config", str(ROOT / "pyproject.toml"), "-q", str(folder)]
    subprocess.run([*ruff, "check", "--fix", "--select", "I", *config], check=True)
    subprocess.run([*ruff, "format", *config], check=True)


def read_modules(folder: Path) -> dict[str, str]:
    """Return the text of each module in a folder."""
    return {path.name: path.read_text() for path in folder.glob("*.py")}


def build_sync() -> dict[str, str]:
    """Return the modules as they should be."""
    with TemporaryDirectory() as name:
        folder = Path(name, "_sync")
        folder.mkdir()
        write_sync(folder)
        return read_modules(folder)


if __name__ == "__main__":
    for name, text in build_sync().items():
        (WRITTEN / name).write_text(text)
