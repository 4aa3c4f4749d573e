"""The systemd units are valid, hardened, and agree with the Procfile."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path
from string import Template

import pytest

from imagequeue.config.process import CANNOT_START
from imagequeue.config.queues import Queue
from imagequeue.config.settings import Settings, read_settings
from imagequeue.producer.local.up import STOP_MARGIN_S
from imagequeue.providers import PROVIDERS
from support.compose import PROCESSES, SECRET, interpolate
from support.deploy_secrets import SECRETS_OF
from support.paths import ROOT
from support.processes import BIN, find_command

SYSTEMD = ROOT / "deploy" / "systemd"
ENV = SYSTEMD / "env"
COMMON = "imagequeue-.service.d/common.conf"
UNITS = [
    *(f"imagequeue-{name}.service" for name in ("api", "receiver", "flower")),
    *(f"imagequeue-worker@{queue}.service" for queue in Queue),
]
# What `systemd-analyze security` calls OK, in tenths.
MAX_EXPOSURE = 20


def read(name: str) -> RawConfigParser:
    unit = RawConfigParser(strict=False, delimiters="=", comment_prefixes="#")
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(SYSTEMD / name)
    return unit


def analyze(folder: Path, *arguments: str) -> None:
    command = [find_command("systemd-analyze"), *arguments]
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """A copy of the units whose programs are those of this checkout."""
    copy = shutil.copytree(SYSTEMD, tmp_path / "units")
    # The path of a checkout may have spaces.
    (tmp_path / "bin").symlink_to(BIN)
    for unit in copy.glob("*.service"):
        unit.write_text(unit.read_text().replace("/opt/imagequeue/bin", str(tmp_path / "bin")))
    return copy


def test_units_are_valid(units: Path) -> None:
    analyze(units, "verify", "imagequeue.target", *UNITS)


def test_units_are_hardened(units: Path) -> None:
    analyze(units, "security", "--offline=true", f"--threshold={MAX_EXPOSURE}", *UNITS)


def test_units_run_the_commands_of_compose() -> None:
    ports = {"0.0.0.0": "127.0.0.1"}
    for unit in UNITS:
        kind, _, queue = unit.removeprefix("imagequeue-").removesuffix(".service").partition("@")
        name = f"imagequeue-{kind}@.service" if queue else unit
        command = read(name)["Service"]["ExecStart"].replace("%i", queue).replace("%%", "%")
        command = Template(command).substitute(read_variables(name, queue))
        expected = interpolate(PROCESSES[queue or kind]["command"], {})
        for place, own in ports.items():
            expected = expected.replace(place, own)
        program, *words = shlex.split(command)
        assert [Path(program).name, *words] == shlex.split(expected)


def read_variables(name: str, queue: str) -> dict[str, str]:
    given = read(name)["Service"].get("Environment", "")
    return dict([given.split("=")] if given else []) | (read_env(queue) if queue else {})


def read_env(name: str) -> dict[str, str]:
    lines = (ENV / f"{name}.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))  # type: ignore[misc]


def test_target_starts_every_unit() -> None:
    lines = (SYSTEMD / "imagequeue.target").read_text().splitlines()
    wanted = [line.removeprefix("Wants=") for line in lines if line.startswith("Wants=")]
    assert sorted(" ".join(wanted).split()) == sorted(UNITS)


@pytest.mark.parametrize("name", SECRETS_OF)
def test_each_unit_gets_the_secrets_that_it_needs(name: str) -> None:
    unit = f"imagequeue-{name}.service" if name not in [*Queue] else "imagequeue-worker@.service"
    own = read(unit)["Service"]["EnvironmentFile"].replace("%i", name)
    assert own == f"/etc/imagequeue/{name}.env"
    assert {key for key in read_env(name) if SECRET.search(key)} == SECRETS_OF[name]
    assert not any(value for key, value in read_env(name).items() if SECRET.search(key))


def test_common_settings_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in read_env("common").items():
        monkeypatch.setenv(key, value)
    assert read_settings().data_dir == Path("/var/lib", read(COMMON)["Service"]["StateDirectory"])


def test_unit_that_stops_records_the_last_response() -> None:
    service = read(COMMON)["Service"]
    longest = max(each.submit_timeout_s for each in PROVIDERS.values())
    longest = max(longest, Settings.model_fields["submit_timeout_s"].default)
    assert int(service["TimeoutStopSec"]) > longest + STOP_MARGIN_S
    assert int(service["RestartPreventExitStatus"]) == CANNOT_START
