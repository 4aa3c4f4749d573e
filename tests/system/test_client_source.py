"""The client that blocks is what its source makes of it, and its import is light."""

import subprocess
import sys
from pathlib import Path

from support.client_source import PACKAGE, read_modules
from support.paths import ROOT

HEAVY = {"asyncio", "celery", "fastapi", "httpx", "kombu", "pydantic", "redis", "rich"}


def test_written_modules_are_up_to_date(tmp_path: Path) -> None:
    # In a process of its own: other tests add providers.
    command = [sys.executable, "-m", "support.client_source", str(tmp_path)]
    subprocess.run(command, cwd=ROOT / "tests", check=True, timeout=100)
    assert read_modules(tmp_path) == read_modules(PACKAGE), "run `make client`"


def test_import_of_the_client_is_light() -> None:
    code = "from imagequeue import Client, AsyncClient; import sys; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in ran.stdout.split()}
    assert "msgspec" in loaded
    assert loaded & HEAVY == set()
