"""Settings: documented, and refused in one line that leaks nothing."""

import re
from pathlib import Path

import certifi
import pytest

from imagequeue.config.settings import (
    ENV_FILE,
    PREFIX,
    read_settings,
    settings_class,
)
from imagequeue.errors import ConfigError
from imagequeue.jobs.tokens import is_valid_token, make_token
from imagequeue.providers.kie.account import KieAccount
from support.paths import ROOT
from support.settings_docs import FILES, SECTIONS

FIELDS = settings_class().model_fields
EXAMPLE = ROOT / ".env.example"
SECRET = "s3cr3t-of-nobody"
SECRETS = (
    *("secret_key", "api_keys", "kie_webhook_hmac_key"),
    *("kie_api_key", "kie_api_keys", "acedata_api_key", "acedata_api_keys"),
)


def set_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"{PREFIX}{name}", value)


def read_refusal() -> str:
    """Return the one line that the settings are refused with."""
    with pytest.raises(ConfigError) as caught:
        read_settings()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_setting_is_described() -> None:
    assert [name for name in FIELDS if not (FIELDS[name].description or "").endswith(".")] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_settings_docs_are_up_to_date(path: Path) -> None:
    assert path.read_text() == FILES[path](), "run `make settings`"


def test_every_section_begins_with_a_setting() -> None:
    assert SECTIONS.keys() <= FIELDS.keys()


def test_uncommented_example_changes_nothing() -> None:
    text = re.sub(rf"^#({PREFIX})", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)
    defaults = read_settings()
    Path(ENV_FILE).write_text(text)
    assert read_settings() == defaults


def test_unknown_name_is_refused_with_a_suggestion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_variable(monkeypatch, "REDIS_ULR", "redis://localhost")
    assert (
        read_refusal() == "Unknown setting IMAGEQUEUE_REDIS_ULR; did you mean IMAGEQUEUE_REDIS_URL?"
    )


def test_unknown_name_in_env_file_or_code_is_read_refusal() -> None:
    with pytest.raises(ConfigError, match="Unknown setting IMAGEQUEUE_LEASE; did you mean"):
        read_settings(lease=3)
    Path(ENV_FILE).write_text("SOMEBODY_ELSES=1\nIMAGEQUEUE_QQQ=1\n")
    assert read_refusal() == "Unknown setting IMAGEQUEUE_QQQ; .env.example lists all"


def test_env_file_that_is_not_text_is_read_refusal() -> None:
    Path(ENV_FILE).write_bytes(b"IMAGEQUEUE_KIE_API_KEY=\xff\n")
    assert read_refusal() == ".env is not UTF-8 text: save it as UTF-8"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", "localhost:6379"),
        ("BROKER_URL", "sqs://localhost"),
        ("STORAGE_URL", "ftp://bucket"),
        ("STORAGE_URL", "file://relative"),
        ("PUBLIC_URL", "example.com"),
        ("KIE_BASE_URL", "https://api.kie.ai/?key=1"),
        ("KIE_FLUX_API", "newest"),
        ("LOG_LEVEL", "loud"),
        ("LEASE_S", "soon"),
        ("LEASE_S", "0"),
        ("LEASE_S", "nan"),
        ("RETENTION_S", "inf"),
        ("RATE_LIMIT_PAUSE_S", "-1"),
        ("MAX_QUEUED_MESSAGES", "0"),
        ("MAX_QUEUED_MESSAGES", "1.5"),
        ("POLL_COUNTDOWNS", "60,later"),
        ("POLL_COUNTDOWNS", ""),
    ],
)
def test_invalid_value_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    for secret in SECRETS:
        set_variable(monkeypatch, secret.upper(), SECRET)
    set_variable(monkeypatch, name, value)
    line = read_refusal()
    assert re.match(rf"{PREFIX}{name}(\.\d+)?: \w", line)
    assert SECRET not in line


def test_all_invalid_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    set_variable(monkeypatch, "LEASE_S", "soon")
    set_variable(monkeypatch, "MAX_QUEUED_MESSAGES", "many")
    assert re.findall(rf"{PREFIX}\w+", read_refusal()) == [
        f"{PREFIX}LEASE_S",
        f"{PREFIX}MAX_QUEUED_MESSAGES",
    ]


@pytest.mark.parametrize("name", SECRETS)
def test_secret_is_never_shown_even_if_invalid(name: str) -> None:
    settings = read_settings(**{name: SECRET})
    assert SECRET not in repr(settings) + str(settings) + settings.model_dump_json()
    with pytest.raises(ConfigError) as caught:
        read_settings(**{name: {SECRET: SECRET}})
    assert str(caught.value).startswith(f"{PREFIX}{name.upper()}")
    assert SECRET not in str(caught.value)


def test_lists_are_comma_separated_and_may_have_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    set_variable(monkeypatch, "POLL_COUNTDOWNS", "1, 2.5 ,3,")
    set_variable(monkeypatch, "DOWNLOAD_TRUSTED_HOSTS", "localhost:9000")
    settings = read_settings()
    assert settings.poll_countdowns == (1, 2.5, 3)
    assert settings.download_trusted_hosts == ("localhost:9000",)
    assert settings.api_keys == ()


def test_environment_wins_over_the_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(ENV_FILE).write_text("IMAGEQUEUE_LEASE_S=1\nIMAGEQUEUE_MAX_QUEUED_MESSAGES=7\n")
    set_variable(monkeypatch, "LEASE_S", "2")
    settings = read_settings()
    assert (settings.lease_s, settings.max_queued_messages) == (2, 7)


def test_first_secret_signs_and_all_verify() -> None:
    old, rotated, new = (
        read_settings(secret_key=keys).signing_secrets for keys in ("old", "new, old", "new")
    )
    assert rotated == (b"new", b"old")
    for signer, verifiers, genuine in [
        (old, rotated, True),
        (rotated, new, True),
        (old, new, False),
    ]:
        given = make_token(signer[0], "kie-flux-kontext", "job_1")
        assert is_valid_token(given, verifiers, "kie-flux-kontext", "job_1") is genuine


def test_missing_secret_error_says_how_to_get_one() -> None:
    with pytest.raises(ConfigError, match="IMAGEQUEUE_SECRET_KEY is not set: give every process"):
        read_settings().signing_secrets  # noqa: B018


def test_images_are_saved_in_images(tmp_path: Path) -> None:
    assert read_settings(data_dir=tmp_path).images_url == (tmp_path / "images").as_uri()
    assert read_settings(data_dir=tmp_path, storage_url="s3://b").images_url == "s3://b"


def test_images_stay_in_pictures_where_it_exists(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    assert read_settings(data_dir=tmp_path).images_url == (tmp_path / "pictures").as_uri()


@pytest.mark.parametrize(
    "url", ["127.0.0.1:3128", "socks5://a:1", "http://", "http://a/path", "http://me:s3cr3t@a /"]
)
def test_a_proxy_is_an_http_or_https_address(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    set_variable(monkeypatch, "HTTP_PROXY", url)
    expected = "IMAGEQUEUE_HTTP_PROXY: must be http://host:port or https://host:port"
    assert read_refusal() == expected


def test_a_ca_file_holds_certificates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for content in ("", "no certificate"):
        (tmp_path / "ca.pem").write_text(content)
        set_variable(monkeypatch, "CA_FILE", str(tmp_path / "ca.pem"))
        assert read_refusal() == "IMAGEQUEUE_CA_FILE: must be a PEM file of certificates"
    set_variable(monkeypatch, "CA_FILE", str(tmp_path / "missing.pem"))
    assert read_refusal() == "IMAGEQUEUE_CA_FILE: must be a PEM file of certificates"


def test_a_proxys_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    set_variable(monkeypatch, "HTTP_PROXY", f"http://me:{SECRET}@proxy.example:3128")
    settings = read_settings()
    assert SECRET not in repr(settings)
    assert settings.proxy_url.endswith("@proxy.example:3128")


def test_env_file_of_a_windows_editor_is_read() -> None:
    lines = ["IMAGEQUEUE_KIE_API_KEY='a key'", "", 'IMAGEQUEUE_LOG_LEVEL="ERROR"  # quiet']
    Path(ENV_FILE).write_bytes("\r\n".join(["\ufeffIMAGEQUEUE_LEASE_S=7", *lines]).encode())
    settings = read_settings()
    assert (settings.lease_s, settings.log_level) == (7, "ERROR")
    assert settings.account(KieAccount).key == "a key"


def test_home_folder_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    Path(ENV_FILE).write_text("IMAGEQUEUE_DATA_DIR=~/images")
    assert read_settings().data_dir == tmp_path / "images"
    (tmp_path / "ca.pem").write_bytes(Path(certifi.where()).read_bytes())
    assert read_settings(ca_file="~/ca.pem").ca_file == tmp_path / "ca.pem"
    with pytest.raises(ConfigError, match="DATA_DIR: starts with ~, and there is no home folder"):
        read_settings(data_dir="~nobody-of-this-name/images")
