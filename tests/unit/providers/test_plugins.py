"""Providers of other distributions are loaded; one that cannot be used stops nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from imagequeue import providers
from imagequeue.config.setting_fields import SettingFields
from imagequeue.config.settings import read_settings
from imagequeue.errors import ConfigError
from imagequeue.producer.cli.main import cli
from imagequeue.producer.doctor.diagnose import diagnose
from imagequeue.providers import PROVIDERS
from imagequeue.providers.plugins import RESERVED_ACCOUNTS
from imagequeue.providers.registry import Registry
from support.plugins import THIRD, install
from support.third_provider.provider import ThirdProvider

ACCOUNT = """
from support.third_provider.account import ThirdAccount
from support.third_provider.provider import ThirdProvider as Third

class Account(ThirdAccount):
    name = "other"

class ThirdProvider(Third):
    name = "other-images"
    account = Account
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture
def registry(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """Every module's providers, which will look for plug-ins anew."""
    cached = ("_plugins", "_providers")
    for name in cached:
        monkeypatch.delitem(PROVIDERS.__dict__, name, raising=False)
    yield PROVIDERS
    for name in cached:
        PROVIDERS.__dict__.pop(name, None)


def test_plugins_come_after_the_built_in_providers(registry: Registry, folder: Path) -> None:
    install(folder, "images-of-third", THIRD)
    assert list(registry) == [*(each.name for each in PROVIDERS.built_in), "third-images"]
    assert registry.problems == []
    assert providers.get("third-images").account.name == "third"


BROKEN = [
    ("import nonsense_that_is_not_there", "cannot be imported (ModuleNotFoundError: No module"),
    ("def f(:", "cannot be imported (SyntaxError"),
    ("raise SystemExit('secret\\nlines')", "cannot be imported (SystemExit: secret): mend or"),
    ("ThirdProvider = 5", "5 is not a subclass of imagequeue.providers.base.Provider"),
    (
        "from imagequeue.providers.base import Provider\nclass ThirdProvider(Provider): pass",
        "ThirdProvider lacks build_status_request, build_submit_request, parse_callback, "
        "parse_status_response, parse_submit_response, name, account, actions: define them",
    ),
    (THIRD + "ThirdProvider.name = 'kie'", "there is another provider called kie: rename it"),
    (THIRD + "ThirdProvider.name = 'a|b'", "the provider's name 'a|b' must be up to 40 small"),
    (ACCOUNT.replace('"other"', '"kie"'), "there is another account called kie: rename it, or"),
    (ACCOUNT.replace('"other"', '"api"'), "the account's name api begins other settings"),
    (ACCOUNT.replace('"other"', '"a_b"'), "the account's name 'a_b' must be small letters"),
    (ACCOUNT.replace('"other"', '"other"\n    token: str'), "the account's setting token has no"),
    (
        THIRD + "ThirdProvider.account = dict",
        "<class 'dict'> is not a subclass of imagequeue.providers.account.Account",
    ),
]


@pytest.mark.parametrize("case", range(len(BROKEN)), ids=[line[:40] for _, line in BROKEN])
def test_broken_plugin_is_one_line_and_stops_no_other(
    registry: Registry, folder: Path, monkeypatch: pytest.MonkeyPatch, case: int
) -> None:
    for name in ("name", "account"):  # some cases change it
        monkeypatch.setattr(ThirdProvider, name, getattr(ThirdProvider, name))
    source, line = BROKEN[case]
    install(folder, f"broken-{case}", source)
    install(folder, f"whole-{case}", ACCOUNT)
    assert "other-images" in registry
    (problem,) = registry.problems
    assert problem.startswith(f"plug-in broken-{case} (images): ")
    assert line in problem
    assert "\n" not in problem


def test_name_that_two_plugins_want_is_the_first_ones(registry: Registry, folder: Path) -> None:
    install(folder, "first-images", THIRD)
    install(folder, "second-images", THIRD)
    assert "third-images" in registry
    assert registry.problems == [
        "plug-in second-images (images): there is another provider called third-images: rename it"
    ]


def test_doctor_reports_plugins(registry: Registry, folder: Path) -> None:
    install(folder, "images-of-third", THIRD)
    found = {each.what: each for each in diagnose()}
    assert found["plug-ins"] == ("plug-ins", True, "third-images")
    install(folder, "no-images", "import nothing_like_it")
    del registry._plugins
    found = {each.what: each for each in diagnose()}
    assert not found["plug-ins"].ok
    assert "no-images" in found["plug-ins"].detail


def test_broken_plugin_is_named_beside_the_list(registry: Registry, folder: Path) -> None:
    install(folder, "no-images", "import nothing_like_it")
    ran = CliRunner().invoke(cli, ["providers"])
    assert ran.exit_code == 0
    assert "acedata-flux" in ran.stdout
    assert ran.stderr.startswith("imagequeue: plug-in no-images (images): ")


def test_settings_of_a_broken_plugin_do_not_stop_the_start(
    registry: Registry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(folder, "no-images", "import nothing_like_it")
    monkeypatch.setenv("IMAGEQUEUE_NOIMAGES_API_KEY", "a key")
    read_settings()
    monkeypatch.setenv("IMAGEQUEUE_KIE_API_KYE", "a key")
    with pytest.raises(ConfigError, match="did you mean IMAGEQUEUE_KIE_API_KEY"):
        read_settings()


def test_unknown_setting_without_a_broken_plugin_is_refused(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEQUEUE_NOIMAGES_API_KEY", "a key")
    with pytest.raises(ConfigError, match="Unknown setting IMAGEQUEUE_NOIMAGES_API_KEY"):
        read_settings()


def test_first_words_of_all_settings_are_reserved() -> None:
    assert {name.partition("_")[0] for name in SettingFields.model_fields} <= RESERVED_ACCOUNTS
