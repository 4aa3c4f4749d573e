"""The settings and secrets that docker-compose.yml gives to each service."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from imagequeue.config.process import CANNOT_START
from imagequeue.config.settings import PREFIX, read_settings, settings_class
from imagequeue.producer.local.ports import free_port
from imagequeue.store.deployment.processes import SHARED_SETTINGS
from support.compose import (
    COMPOSE_FILE,
    PROCESSES,
    PROCFILE,
    SECRET,
    SERVICES,
    VARIABLE,
    interpolate,
)
from support.deploy_secrets import SECRETS_OF, STORAGE_KEYS
from support.paths import ROOT
from support.processes import BIN, Process
from support.stub import stub_server

ENV = {
    "FLOWER_BASIC_AUTH": "user:password",
    "PROMETHEUS_API_KEY": "a key of Prometheus",
    "GRAFANA_PASSWORD": "a password of Grafana",
    "IMAGEQUEUE_SECRET_KEY": "a secret",
    "IMAGEQUEUE_API_KEYS": "one,two",
    "IMAGEQUEUE_KIE_API_KEY": "a kie key",
    "IMAGEQUEUE_KIE_API_KEYS": "spare:another kie key",
    "IMAGEQUEUE_ACEDATA_API_KEY": "an acedata key",
    "IMAGEQUEUE_ACEDATA_API_KEYS": "spare:another acedata key",
    "IMAGEQUEUE_OPENAI_API_KEY": "an openai key",
    "IMAGEQUEUE_OPENAI_API_KEYS": "spare:another openai key",
    "IMAGEQUEUE_KIE_WEBHOOK_HMAC_KEY": "a kie signature",
    "IMAGEQUEUE_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "IMAGEQUEUE_REDIS_URL": "redis://localhost/9",
    "IMAGEQUEUE_BROKER_URL": "redis://broker/8",
    "IMAGEQUEUE_ARCHIVE_URL": "postgresql+psycopg://user:password@database/jobs",
    "IMAGEQUEUE_STORAGE_URL": "s3://bucket/images",
    "IMAGEQUEUE_DATA_DIR": "/home/somebody",
    "AWS_ACCESS_KEY_ID": "an id of S3",
    "AWS_SECRET_ACCESS_KEY": "a key of S3",
    "AWS_SESSION_TOKEN": "a token of S3",
    "GOOGLE_APPLICATION_CREDENTIALS": "/data/account.json",
    "GOOGLE_SERVICE_ACCOUNT_KEY": "an account of Google",
    "AZURE_STORAGE_ACCOUNT_KEY": "a key of Azure",
    "AZURE_STORAGE_SAS_KEY": "a signature of Azure",
    "AZURE_CLIENT_SECRET": "a secret of Azure",
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


def test_process_needs_the_secret_that_it_is_given_alone(
    start: Callable[..., Process], overrides: dict[str, str]
) -> None:
    overrides["secret_key"] = ""
    worker = (str(BIN / "celery"), "-A", "imagequeue.worker", "worker", "-P", "solo", "-Q")
    notify = start(*worker, "notify")
    server = (sys.executable, "-m")
    refused = {
        "api": start(*server, "imagequeue.producer.api", "--port", str(free_port())),
        "receiver": start(*server, "imagequeue.worker.receiver", "--port", str(free_port())),
        "submit": start(*worker, "submit"),
    }
    notify.wait_for(" ready.")
    for process in refused.values():
        assert process.popen.wait(60) == CANNOT_START
        last = process.output.splitlines()[-1]
        assert last.startswith("imagequeue: IMAGEQUEUE_SECRET_KEY is not set")
    given = {name for name, secrets in SECRETS_OF.items() if "IMAGEQUEUE_SECRET_KEY" in secrets}
    assert given == {*refused}


def test_every_secret_setting_is_given_out_or_withheld() -> None:
    fields = settings_class().model_fields.items()
    secret = {
        f"{PREFIX}{key.upper()}"
        for key, field in fields
        if re.search("Secret|AccountKey", str(field.annotation))
    }
    # A proxy's password is needed wherever requests go out.
    assert secret - {f"{PREFIX}HTTP_PROXY"} == {key for key in ENV if key in secret}


def test_every_documented_secret_of_a_storage_is_withheld() -> None:
    assert {name for name in ENV if name.startswith(("AWS_", "GOOGLE_", "AZURE_"))} == STORAGE_KEYS
    text = (ROOT / "docs" / "storage.md").read_text()
    documented = set(re.findall(r"`((?:AWS|GOOGLE|AZURE)_\w+)`", text))
    assert {name for name in documented if SECRET.search(name)} <= STORAGE_KEYS


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
    of_others = {"FLOWER_BASIC_AUTH", "FLOWER_URL_PREFIX", "GRAFANA_PASSWORD"}
    assert used <= settings | of_procfile | of_others | {"GRAFANA_PORT", "PROMETHEUS_PORT"}


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


def test_doctor_compares_only_what_every_process_is_given() -> None:
    secrets = {key.removeprefix(PREFIX).lower() for own in SECRETS_OF.values() for key in own}
    assert not secrets & {*SHARED_SETTINGS}
