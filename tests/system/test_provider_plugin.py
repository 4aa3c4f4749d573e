"""The example of a plug-in: installed into an environment of its own, used, and removed."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from shutil import copytree
from typing import NamedTuple

import pytest

from support.bfl import PLUGIN, bfl_sandbox
from support.checkout import make_environment, run, site_packages
from support.media import validate_file
from support.paths import ROOT
from support.processes import WORKER, clean_environment, running
from support.stub import Stub

FOLDERS = ("config", "jobs", "producer", "providers", "storage", "store", "worker")
KEY = "a-key-of-black-forest-labs"


class Installation(NamedTuple):
    """A virtual environment with this package and the plug-in."""

    home: Path

    @property
    def python(self) -> Path:
        return self.home / "bin" / "python"

    def pip(self, *arguments: str | Path) -> None:
        pip = (sys.executable, "-m", "pip", "--python", self.python)
        run(*pip, *arguments, folder=self.home)

    def imagequeue(
        self, *arguments: str, settings: Mapping[str, str], folder: Path
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self.python, "-m", "imagequeue", *arguments],
            env={**clean_environment(), **settings},
            cwd=folder,
            capture_output=True,
            text=True,
        )


@pytest.fixture
def installed(tmp_path: Path) -> Installation:
    made = Installation(make_environment(tmp_path / "venv"))
    package = site_packages(made.home) / "imagequeue"
    package.mkdir()
    for source in [*(ROOT / "imagequeue").glob("*"), *(ROOT / name for name in FOLDERS)]:
        (package / source.name).symlink_to(source)
    source = copytree(PLUGIN, tmp_path / "source")  # a build leaves files there
    made.pip("install", "--no-deps", "--no-index", "--no-build-isolation", "--quiet", source)
    return made


def test_plugin_is_installed_used_and_removed(
    installed: Installation, redis_url: str, tmp_path: Path
) -> None:
    with bfl_sandbox() as stub:
        settings = {
            "IMAGEQUEUE_REDIS_URL": redis_url,
            "IMAGEQUEUE_DATA_DIR": str(tmp_path / "data"),
            "IMAGEQUEUE_POLL_TAIL_S": "0.5",
            "IMAGEQUEUE_SECRET_KEY": "a secret of the tests",
            "IMAGEQUEUE_DOWNLOAD_TRUSTED_HOSTS": stub.url.removeprefix("http://"),
        }
        own = {
            "IMAGEQUEUE_BFL_BASE_URL": stub.url,
            "IMAGEQUEUE_BFL_API_KEY": KEY,
            "IMAGEQUEUE_BFL_POLL_DELAYS": "0.1,0.5",
        }
        check_description(installed, settings, own, tmp_path)
        job_id = check_job(installed, stub, settings | own, tmp_path)
    installed.pip("uninstall", "--yes", "--quiet", "imagequeue-bfl")
    check_removal(installed, settings, own, tmp_path, job_id)


def check_description(
    installed: Installation, settings: Mapping[str, str], own: Mapping[str, str], folder: Path
) -> None:
    def ask(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return installed.imagequeue(*arguments, settings={**settings, **own}, folder=folder)

    listed = json.loads(ask("providers", "--json").stdout)
    assert listed[-1] == {"name": "bfl", "actions": ["generate", "edit"], "models": 3}
    shown = ask("providers", "bfl", "flux-2-pro").stdout
    assert shown.startswith(
        "generate  An image from a prompt.  4 or 8 credits an image with Kontext"
    )
    assert "params.width              integer, 64 to 4096. Pixels" in shown
    checked = ask("doctor")
    assert "ok    plug-ins: bfl\n" in checked.stdout
    assert "bfl: set, not checked" in checked.stdout
    assert "any rate, 24 in flight for each key (main 0 in flight now)" in checked.stdout
    assert KEY not in checked.stdout


def check_job(
    installed: Installation, stub: Stub, settings: Mapping[str, str], folder: Path
) -> str:
    worker = [str(installed.python), "-m", *WORKER]
    with running(worker, settings, folder) as process:
        process.wait_for(" ready.")
        sent = installed.imagequeue(
            *("submit", "bfl", "a cat", "--param", "width=64", "--wait", "--json"),
            settings=settings,
            folder=folder,
        )
        assert sent.returncode == 0, sent.stderr + process.output
        job = json.loads(sent.stdout)
        assert job["state"] == "succeeded", process.output
        assert KEY not in process.output
    assert job["cost"]["credits"] == 3
    (image,) = job["images"]
    validate_file(Path(image["uri"].removeprefix("file://")))
    assert stub.posts == [{"prompt": "a cat", "width": 64}]
    asked = [path for method, path, _ in stub.asked if method == "GET"]
    assert asked == ["/v1/get_result?id=task-1"] * 2 + ["/sample.png"]
    assert [headers.get("x-key") for headers in stub.headers] == [KEY, KEY, KEY, None]
    job_id: str = job["id"]
    return job_id


def check_removal(
    installed: Installation,
    settings: Mapping[str, str],
    own: Mapping[str, str],
    folder: Path,
    job_id: str,
) -> None:
    listed = installed.imagequeue("providers", settings=settings, folder=folder)
    assert "bfl" not in listed.stdout + listed.stderr
    job = installed.imagequeue("status", job_id, "--json", settings=settings, folder=folder)
    assert json.loads(job.stdout)["state"] == "succeeded"
    left = {**settings, **own}
    refused = installed.imagequeue("list", settings=left, folder=folder)
    assert refused.returncode == 2
    assert refused.stderr.startswith("imagequeue: Unknown setting IMAGEQUEUE_BFL_API_KEY")
