"""docker-compose.yml is valid and agrees with the code and the Procfile; checked without Docker."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from ruamel.yaml import YAML

from imagequeue.config.process import CANNOT_START
from imagequeue.config.queues import Queue
from imagequeue.config.settings import PREFIX, Settings, read_settings, settings_class
from imagequeue.producer.local.supervisor import parse_procfile
from imagequeue.producer.local.up import PROBES, STOP_MARGIN_S
from support.checkout import run
from support.paths import ROOT
from support.processes import BIN, Process
from support.stub import stub_server

COMPOSE_FILE = ROOT / "docker-compose.yml"
COMPOSE = YAML(typ="safe").load(COMPOSE_FILE)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROCESSES = {name: service for name, service in SERVICES.items() if name != "redis"}
WORKERS = {name: service for name, service in PROCESSES.items() if "-Q" in service["command"]}
PROCFILE = parse_procfile((ROOT / "Procfile").read_text())
COMMANDS = {
    "Procfile": list(PROCFILE.values()),
    "docker-compose.yml": [service["command"] for service in PROCESSES.values()],
}
SECRET = re.compile(r"KEY|SECRET|PASS|TOKEN|AUTH|CREDENTIAL", re.IGNORECASE)
VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?:(:-|:\?)([^}]*))?\}|\$(\w+)")
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


def interpolate(text: str, env: dict[str, str]) -> str:
    """Interpolate as Compose does, as far as the file needs it."""

    def value(match: re.Match[str]) -> str:
        name, kind, rest, _ = match.groups()
        if match[0] == "$$":
            return "$"
        assert env.get(name) or kind == ":-", f"{name}: {rest}"
        return env.get(name) or rest

    return VARIABLE.sub(value, text)


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


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_checked_and_restarted(name: str) -> None:
    service = SERVICES[name]
    health = service["healthcheck"]
    assert health["test"]
    assert health["test"][0] != "NONE"
    assert not health.get("disable")
    assert service["restart"] == "unless-stopped"
    longest = Settings.model_fields["submit_timeout_s"].default + STOP_MARGIN_S
    assert seconds(service["stop_grace_period"]) > longest


@pytest.mark.parametrize("name", PROCESSES)
def test_process_waits_for_redis_and_shares_image_and_data(name: str) -> None:
    service = PROCESSES[name]
    assert service["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert service["image"] == PROCESSES["api"]["image"]
    assert ("build" in service) == (name == "api"), "one service builds the image of all"
    assert mounts(service) == mounts(PROCESSES["download"])
    assert mounts(service).keys() <= COMPOSE["volumes"].keys()
    assert service["environment"]["IMAGEQUEUE_DATA_DIR"] in mounts(service).values()


ENV = {
    "FLOWER_BASIC_AUTH": "user:password",
    "IMAGEQUEUE_SECRET_KEY": "a secret",
    "IMAGEQUEUE_API_KEYS": "one,two",
    "IMAGEQUEUE_KIE_API_KEY": "a kie key",
    "IMAGEQUEUE_ACEDATA_API_KEY": "an acedata key",
    "IMAGEQUEUE_KIE_WEBHOOK_HMAC_KEY": "a kie signature",
    "IMAGEQUEUE_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "IMAGEQUEUE_REDIS_URL": "redis://localhost/9",
    "IMAGEQUEUE_BROKER_URL": "redis://broker/8",
    "IMAGEQUEUE_STORAGE_URL": "s3://bucket/images",
    "IMAGEQUEUE_DATA_DIR": "/home/somebody",
}
PROVIDER_KEYS = {"IMAGEQUEUE_KIE_API_KEY", "IMAGEQUEUE_ACEDATA_API_KEY"}
SECRETS_OF = {
    # It uploads input images.
    "api": {"IMAGEQUEUE_API_KEYS"} | PROVIDER_KEYS,
    "receiver": {"IMAGEQUEUE_SECRET_KEY"},
    "submit": {"IMAGEQUEUE_SECRET_KEY"} | PROVIDER_KEYS,
    "poll": PROVIDER_KEYS,
    "callback": {"IMAGEQUEUE_KIE_WEBHOOK_HMAC_KEY"} | PROVIDER_KEYS,
    # It asks providers for another URL of an image.
    "download": PROVIDER_KEYS,
    "notify": {"IMAGEQUEUE_WEBHOOK_SECRET"},
    "flower": {"FLOWER_BASIC_AUTH"},
}


def environment(name: str) -> dict[str, str]:
    """Return the variables of a container whose `.env` has all of `ENV`."""
    assert PROCESSES[name]["env_file"] == ".env"
    own = PROCESSES[name]["environment"].items()
    return ENV | {key: interpolate(text, ENV) for key, text in own}


@pytest.mark.parametrize("name", PROCESSES)
def test_service_gets_the_secrets_that_it_needs(name: str) -> None:
    given = {key for key, value in environment(name).items() if value and SECRET.search(key)}
    assert given == SECRETS_OF[name]


def test_worker_needs_the_secret_of_its_queue_alone(
    start: Callable[..., Process], overrides: dict[str, str]
) -> None:
    overrides["secret_key"] = ""
    command = (str(BIN / "celery"), "-A", "imagequeue.worker", "worker", "-P", "solo", "-Q")
    notify, submit = start(*command, "notify"), start(*command, "submit")
    notify.wait_for(" ready.")
    assert submit.popen.wait(60) == CANNOT_START
    assert submit.output.splitlines()[-1].startswith("imagequeue: IMAGEQUEUE_SECRET_KEY is not set")


def test_every_secret_setting_is_given_out_or_withheld() -> None:
    fields = settings_class().model_fields.items()
    secret = {
        f"{PREFIX}{key.upper()}" for key, field in fields if "Secret" in str(field.annotation)
    }
    # A proxy's password is needed wherever requests go out.
    assert secret - {f"{PREFIX}HTTP_PROXY"} == {key for key in ENV if key in secret}


@pytest.mark.parametrize("name", PROCESSES)
def test_container_settings_win_over_env_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in environment(name).items():
        monkeypatch.setenv(key, value)
    settings = read_settings()  # refuses an unknown setting
    assert settings.redis_url == "redis://redis:6379/0"
    assert str(settings.data_dir) == "/data"
    assert (settings.broker_url, settings.images_url) == ("redis://broker/8", "s3://bucket/images")


@pytest.mark.parametrize(("prefix", "path"), [("", ""), ("/a/b/", "/a/b"), ("tasks", "/tasks")])
def test_flower_is_checked_under_its_prefix(prefix: str, path: str) -> None:
    """The check runs against a server that answers at one path only."""
    test = PROCESSES["flower"]["healthcheck"]["test"]
    with stub_server() as server:
        server.answer = lambda _, asked, __: (200 if asked == f"{path}/healthcheck" else 404, {})
        words = [interpolate(word, {"FLOWER_URL_PREFIX": prefix}) for word in test[1:]]
        words[-2] = server.url.rpartition(":")[2]
        assert subprocess.run([sys.executable, *words[1:]]).returncode == 0


def test_every_variable_is_known() -> None:
    used = {match[1] or match[4] for match in VARIABLE.finditer(COMPOSE_FILE.read_text())} - {None}
    of_procfile = {match[1] for line in PROCFILE.values() for match in VARIABLE.finditer(line)}
    settings = {f"{PREFIX}{name.upper()}" for name in settings_class().model_fields}
    assert used <= settings | of_procfile | {"FLOWER_BASIC_AUTH", "FLOWER_URL_PREFIX"}


@pytest.mark.parametrize(
    ("service", "name"),
    [
        ("submit", "IMAGEQUEUE_SECRET_KEY"),
        ("receiver", "IMAGEQUEUE_SECRET_KEY"),
        ("api", "IMAGEQUEUE_API_KEYS"),
        ("flower", "FLOWER_BASIC_AUTH"),
    ],
)
def test_missing_secret_stops_compose_with_a_reason(service: str, name: str) -> None:
    match = VARIABLE.fullmatch(PROCESSES[service]["environment"][name])
    assert match
    assert match[1] == name
    assert match[2] == ":?"
    assert ".env" in match[3]


def test_compose_file_contains_no_secret() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert not SECRET.search(name) or re.fullmatch(r"(\$\{\w+:[?-][^}]*\})?", value), name
    text = COMPOSE_FILE.read_text()
    assert not re.search(r"://[^/\s]*:[^/\s]*@|--requirepass|--basic[-_]auth", text)
