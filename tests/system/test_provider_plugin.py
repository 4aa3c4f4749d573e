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

FOLDERS = ("archive", "config", "jobs", "producer", "providers", "storage", "store", "worker")
KEY = "a-key-of-black-forest-labs"
END = "end of the command\n"
COMMANDS = f"""
import json, sys
from imagequeue.producer.cli.main import cli
for arguments in json.loads(sys.argv[1]):
    try:
        cli.main(arguments, standalone_mode=False)
    except SystemExit:
        pass
    print({END!r}, end="")
"""
"""Several commands in one process: to start it takes longer than to run them."""


class Installation(NamedTuple):
    """A virtual environment with this package and the plug-in."""

    home: Path

    @property
    def python(self) -> Path:
        return self.home / "bin" / "python"

    def pip(self, *arguments: str | Path) -> None:
        pip = (sys.executable, "-m", "pip", "--python", self.python)
        run(*pip, *arguments, folder=self.home)

    def imagequeue(self, *commands: list[str], settings: Mapping[str, str]) -> list[str]:
        """Run commands; returns what each printed."""
        ran = subprocess.run(
            [self.python, "-c", COMMANDS, json.dumps(commands)],
            env={**clean_environment(), **settings},
            cwd=self.home.parent,
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, ran.stderr
        assert KEY not in ran.stdout + ran.stderr
        *printed, rest = ran.stdout.split(END)
        assert rest == ""
        return printed


@pytest.fixture
def installed(tmp_path: Path) -> Installation:
    made = Installation(make_environment(tmp_path / "venv"))
    package = site_packages(made.home) / "imagequeue"
    package.mkdir()
    for source in [*(ROOT / "imagequeue").glob("*"), *(ROOT / name for name in FOLDERS)]:
        (package / source.name).symlink_to(source)
    source = copytree(PLUGIN, tmp_path / "source")  # a build leaves files there
    made.pip(
        "install", "--no-deps", "--no-index", "--no-build-isolation", "--no-compile", "-q", source
    )
    return made


def test_plugin_is_installed_used_and_removed(
    installed: Installation, redis_url: str, tmp_path: Path
) -> None:
    settings = {
        "IMAGEQUEUE_REDIS_URL": redis_url,
        "IMAGEQUEUE_DATA_DIR": str(tmp_path / "data"),
        "IMAGEQUEUE_SECRET_KEY": "a secret of the tests",
    }
    job_id = use(installed, settings)
    installed.pip("uninstall", "--yes", "--quiet", "imagequeue-bfl")
    listed, shown = installed.imagequeue(
        ["providers"], ["status", job_id, "--json"], settings=settings
    )
    assert "kie" in listed
    assert "bfl" not in listed
    assert json.loads(shown)["state"] == "succeeded"


def use(installed: Installation, settings: Mapping[str, str]) -> str:
    """Describe the provider, check its settings, and run one job; returns the job's id."""
    with bfl_sandbox() as stub:
        own = {
            "IMAGEQUEUE_DOWNLOAD_TRUSTED_HOSTS": stub.url.removeprefix("http://"),
            "IMAGEQUEUE_POLL_TAIL_S": "0.5",
            "IMAGEQUEUE_BFL_BASE_URL": stub.url,
            "IMAGEQUEUE_BFL_API_KEY": KEY,
            "IMAGEQUEUE_BFL_POLL_DELAYS": "0.1,0.5",
        }
        worker = [str(installed.python), "-m", *WORKER]
        with running(worker, {**settings, **own}, installed.home.parent) as process:
            listed, shown, checked, submitted = installed.imagequeue(
                ["providers", "--json"],
                ["providers", "bfl", "flux-2-pro"],
                ["doctor"],
                ["submit", "bfl", "a cat", "--param", "width=64", "--wait", "--json"],
                settings={**settings, **own},
            )
            assert KEY not in process.output
        asked = [(method, path) for method, path, _ in stub.asked]
        keys = [headers.get("x-key") for headers in stub.headers]
    assert json.loads(listed)[-1] == {"name": "bfl", "actions": ["generate", "edit"], "models": 3}
    assert shown.startswith("generate  An image from a prompt.  4 or 8 credits an image with ")
    assert "params.width              integer, 64 to 4096. Pixels" in shown
    assert "ok    plug-ins: bfl\n" in checked
    assert "bfl: set, not checked" in checked
    assert "any rate, 24 in flight for each key (main 0 in flight now)" in checked
    job = json.loads(submitted)
    assert (job["state"], job["cost"]["credits"]) == ("succeeded", 3)
    validate_file(Path(job["images"][0]["uri"].removeprefix("file://")))
    assert stub.posts == [{"prompt": "a cat", "width": 64}]
    looked = ("GET", "/v1/get_result?id=task-1")
    assert asked == [("POST", "/v1/flux-2-pro"), looked, looked, ("GET", "/sample.png")]
    assert keys == [KEY, KEY, KEY, None]
    return str(job["id"])
