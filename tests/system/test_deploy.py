"""docker-compose.yml is valid and agrees with the code and the Procfile; checked without Docker."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from ruamel.yaml import YAML

from imagequeue.config.queues import Queue
from imagequeue.config.settings import Settings
from imagequeue.producer.local.readiness import PROBES
from imagequeue.producer.local.up import STOP_MARGIN_S
from imagequeue.providers import PROVIDERS
from support.checkout import run
from support.compose import (
    COMMANDS,
    COMPOSE,
    COMPOSE_FILE,
    PROCESSES,
    PROCFILE,
    SERVICES,
    WORKERS,
    interpolate,
)
from support.paths import ROOT

# Options of one place or size; the rest of a command says what it does.
OWN_OPTIONS = ("--host", "--port", "--address", "-c", "-n", "-Q")


def options(command: str) -> dict[str, str]:
    """Return every `-o value` and `--option=value` of a command."""
    words = shlex.split(command.replace("=", " "))
    return {a: b for a, b in pairwise(words) if a.startswith("-")}


def describe(command: str) -> tuple[str, ...]:
    words = iter(shlex.split(command.replace("=", " ")))
    return tuple(word for word in words if word not in OWN_OPTIONS or not next(words))


def queues(commands: list[str]) -> Counter[str]:
    lists = (options(command)["-Q"] for command in commands if "-Q" in options(command))
    return Counter(queue for names in lists for queue in names.split(","))


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """Return the path of each named volume in the container."""
    return dict(volume.split(":")[:2] for volume in service.get("volumes", []))


def seconds(duration: str) -> int:
    assert duration.endswith("s")
    return int(duration.removesuffix("s"))


def test_compose_file_follows_the_specification() -> None:
    run(
        sys.executable,
        *("-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE_FILE),
        folder=ROOT,
    )


@pytest.mark.parametrize("file", COMMANDS)
def test_every_queue_has_workers_once(file: str) -> None:
    assert queues(COMMANDS[file]) == Counter(map(str, Queue))


def test_compose_and_procfile_run_the_same_programs() -> None:
    one, other = ({describe(command) for command in commands} for commands in COMMANDS.values())
    assert one == other


def test_programs_are_known() -> None:
    """Both files could be wrong in the same way."""
    assert {describe(command)[:4] for command in PROCFILE.values()} == {
        ("python", "-m", "imagequeue.producer.api"),
        ("python", "-m", "imagequeue.worker.receiver"),
        ("celery", "-A", "imagequeue.worker", "worker"),
        ("celery", "-A", "imagequeue.worker", "flower"),
    }


def test_redis_persists_every_write() -> None:
    given = options(SERVICES["redis"]["command"])
    assert given["--appendonly"] == "yes"
    assert given["--appendfsync"] == "always"
    assert given["--maxmemory-policy"] == "noeviction"
    volume = {at: name for name, at in mounts(SERVICES["redis"]).items()}["/data"]
    assert volume in COMPOSE["volumes"]
    assert "ports" not in SERVICES["redis"], "it has no password"


@pytest.mark.parametrize("name", WORKERS)
def test_worker_can_be_scaled(name: str) -> None:
    service = WORKERS[name]
    assert options(service["command"])["-Q"] == name
    assert options(service["command"])["-n"] == f"{name}@%h"
    assert not {"container_name", "hostname", "ports"} & service.keys()
    # The check must reach this container's worker, not one of the same name elsewhere.
    assert options(service["healthcheck"]["test"])["-d"] == f"{name}@$$HOSTNAME"


@pytest.mark.parametrize("name", PROBES)
def test_server_is_on_loopback_with_a_health_check(name: str) -> None:
    service = PROCESSES[name]
    command = options(service["command"])
    assert command.get("--host", command.get("--address")) == "0.0.0.0"
    published = [interpolate(port, {}).split(":") for port in service["ports"]]
    assert published == [["127.0.0.1", command["--port"], command["--port"]]]
    port, path = service["healthcheck"]["test"][-2:]
    assert (port, interpolate(path, {}).replace("//", "/")) == (command["--port"], PROBES[name])


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_monitoring_is_optional_and_on_loopback(name: str) -> None:
    service = SERVICES[name]
    assert service["profiles"] == ["monitoring"]
    assert all(interpolate(port, {}).startswith("127.0.0.1:") for port in service["ports"])
    files = [volume.split(":")[0] for volume in service["volumes"] if volume.startswith("./")]
    assert files
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_prometheus_scrapes_the_api_with_its_own_key() -> None:
    (job,) = YAML(typ="safe").load(ROOT / "deploy/prometheus/compose.yml")["scrape_configs"]
    assert job["job_name"] == "imagequeue", "the alerts look for it"
    (static,) = job["static_configs"]
    assert static["targets"] == ["api:" + options(SERVICES["api"]["command"])["--port"]]
    (secret,) = SERVICES["prometheus"]["secrets"]
    assert job["authorization"] == {"credentials_file": f"/run/secrets/{secret}"}
    assert COMPOSE["secrets"] == {secret: {"environment": "PROMETHEUS_API_KEY"}}


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    provisioning = ROOT / "deploy/grafana/provisioning"
    (source,) = YAML(typ="safe").load(provisioning / "datasources/prometheus.yml")["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    (provider,) = YAML(typ="safe").load(provisioning / "dashboards/imagequeue.yml")["providers"]
    mounted = [volume.split(":")[1] for volume in SERVICES["grafana"]["volumes"]]
    assert f"{provider['options']['path']}/imagequeue.json" in mounted


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_checked_and_restarted(name: str) -> None:
    service = SERVICES[name]
    health = service["healthcheck"]
    assert health["test"]
    assert health["test"][0] != "NONE"
    assert not health.get("disable")
    assert service["restart"] == "unless-stopped"
    longest = max(each.submit_timeout_s for each in PROVIDERS.values())
    longest = max(longest, Settings.model_fields["submit_timeout_s"].default)
    assert seconds(service["stop_grace_period"]) > longest + STOP_MARGIN_S


@pytest.mark.parametrize("name", PROCESSES)
def test_process_waits_for_redis_and_shares_image_and_data(name: str) -> None:
    service = PROCESSES[name]
    assert service["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert service["image"] == PROCESSES["api"]["image"]
    assert ("build" in service) == (name == "api"), "one service builds the image of all"
    assert mounts(service) == mounts(PROCESSES["download"])
    assert mounts(service).keys() <= COMPOSE["volumes"].keys()
    assert service["environment"]["IMAGEQUEUE_DATA_DIR"] in mounts(service).values()
