"""The client for TypeScript: its own tests and its examples."""

import subprocess
from pathlib import Path

import pytest
import requests

from support.images import PNG
from support.media import validate_file
from support.openapi_document import write_document
from support.paths import ROOT
from support.processes import find_command, running
from support.system import System


@pytest.fixture(scope="module")
def typescript() -> Path:
    """The folder of the TypeScript client, built."""
    folder = ROOT / "clients" / "typescript"
    npm = find_command("npm")
    write_document(folder / "openapi.json")
    if not (folder / "node_modules" / ".package-lock.json").exists():
        subprocess.run([npm, "ci", "--silent", "--no-fund", "--no-audit"], cwd=folder, check=True)
    built = subprocess.run(
        [npm, "run", "--silent", "build"], cwd=folder, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_typescript_client_passes_its_tests(system: System, typescript: Path) -> None:
    tests = typescript / "build" / "test" / "client.test.js"
    system.run(find_command("node"), "--test", tests)


def test_typescript_client_edits_a_local_file(system: System, typescript: Path) -> None:
    (system.folder / "photo.png").write_bytes(PNG)
    program = typescript / "build" / "examples" / "edit.js"
    (file,) = system.run(find_command("node"), program, "photo.png", "make it night")
    assert validate_file(system.folder / file).content_type.startswith("image/")


def test_typescript_service_receives_a_verified_webhook(system: System, typescript: Path) -> None:
    secret = (system.folder / "data" / "webhook_secret").read_text()
    own = f"http://localhost:{system.node_port}/"
    env = {**system.env, "PORT": str(system.node_port), "WEBHOOK_SECRET": secret}
    program = [find_command("node"), str(typescript / "build" / "examples" / "webhook.js")]
    with running(program, env, system.folder) as service:
        service.wait_for("ready")
        assert requests.post(own, data="{}", timeout=20).status_code == 400
        request = {"provider": "acedata-flux", "prompt": "a red fox", "webhook_url": own}
        job_id = requests.post(f"{system.api}/v1/jobs", json=request, timeout=20).json()["id"]
        service.wait_for(f"{job_id} succeeded")
