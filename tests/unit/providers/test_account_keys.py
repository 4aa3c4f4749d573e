"""Several keys of one account, and the limits of each, as settings."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, TypeAdapter

from imagequeue.config.settings import ENV_FILE, read_settings
from imagequeue.errors import ConfigError
from imagequeue.providers import get, sandbox_settings
from imagequeue.providers.account_keys import AccountKey, AccountKeys
from imagequeue.providers.acedata.account import AceDataAccount
from imagequeue.providers.kie.account import KieAccount
from imagequeue.providers.limits import ProviderLimits

KIE, MIDJOURNEY, FLUX = map(get, ("kie-flux-kontext", "kie-midjourney", "acedata-flux"))
SECRET = "s3cr3t"

ENTRIES = st.builds(
    AccountKey,
    name=st.from_regex(r"[A-Za-z0-9._-]{1,32}", fullmatch=True),
    secret=st.from_regex(r"[!-+\--~]([ -+\--~]*[!-+\--~])?", fullmatch=True).map(SecretStr),
    services=st.frozensets(st.from_regex(r"[a-z0-9-]{1,9}", fullmatch=True), max_size=3),
)


def to_entry(key: AccountKey) -> str:
    services = "/" + "+".join(key.services) if key.services else ""
    return f"{key.name}{services}:{key.secret.get_secret_value()}"


def read(**settings: str) -> list[tuple[str, str, str]]:
    """Return the name, services and secret of each key of kie or AceData."""
    found = read_settings(**settings)
    keys = (*found.account(KieAccount).keys, *found.account(AceDataAccount).keys)
    return [(k.name, "+".join(sorted(k.services)), k.secret.get_secret_value()) for k in keys]


def read_refusal(**settings: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_settings(**settings)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        ({}, []),
        ({"kie_api_key": "a"}, [("main", "", "a")]),
        ({"kie_api_keys": "a"}, [("main", "", "a")]),
        ({"kie_api_keys": " main: a , spare:b:c ,"}, [("main", "", "a"), ("spare", "", "b:c")]),
        ({"kie_api_key": "a", "kie_api_keys": "b:b"}, [("main", "", "a"), ("b", "", "b")]),
        ({"acedata_api_keys": "x/flux:a/b+c"}, [("x", "flux", "a/b+c")]),
    ],
)
def test_keys_have_names(settings: dict[str, str], keys: list[Any]) -> None:
    assert read(**settings) == keys


@given(st.lists(ENTRIES, max_size=5))
def test_written_keys_are_read_as_they_were(keys: list[AccountKey]) -> None:
    text = ",".join(map(to_entry, keys))
    assert TypeAdapter(AccountKeys).validate_python(text) == tuple(keys)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kie_api_keys": f"a:x,{SECRET}"}, "entry 2 must be NAME:KEY or NAME/SERVICE:KEY"),
        ({"kie_api_keys": f"a b:{SECRET}"}, "entry 1 must be"),
        ({"kie_api_keys": f"{'a' * 33}:{SECRET}"}, "entry 1 must be"),
        ({"kie_api_keys": f":{SECRET}"}, "entry 1 must be"),
        ({"kie_api_keys": f"{SECRET}:"}, "entry 1 must be"),
        ({"kie_api_keys": f"a/:{SECRET}"}, "entry 1 must be"),
        ({"kie_api_keys": f"a:{SECRET},a:x"}, "two keys have the same name"),
        ({"kie_api_key": SECRET, "kie_api_keys": "main:x"}, "the single key is called main"),
        ({"kie_api_keys": f"a:{SECRET},b:{SECRET}"}, "two names have the same key"),
        ({"kie_api_key": SECRET, "kie_api_keys": f"b:{SECRET}"}, "two names have the same key"),
        ({"kie_api_keys": f"a/flux:{SECRET}"}, "its keys serve all: leave /SERVICE out"),
        ({"acedata_api_keys": f"a/flix:{SECRET}"}, "an unknown service; known: flux"),
    ],
)
def test_bad_keys_are_refused_without_a_secret(settings: dict[str, str], words: str) -> None:
    line = read_refusal(**settings)
    assert re.match(r"IMAGEQUEUE_(KIE|ACEDATA)_API_KEYS: ", line)
    assert words in line


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_no_text_shows_its_secret_in_an_error(text: str) -> None:
    try:
        keys = TypeAdapter(AccountKeys).validate_python(f"{text}{SECRET}")
    except ValueError as error:
        (detail,) = error.errors(include_url=False, include_input=False)  # type: ignore[attr-defined]
        assert SECRET not in detail["msg"]
    else:
        assert SECRET not in repr(keys)


def test_no_real_key_goes_to_the_sandbox() -> None:
    Path(ENV_FILE).write_text(
        "IMAGEQUEUE_KIE_API_KEY=real\nIMAGEQUEUE_ACEDATA_API_KEYS=main:real,spare:real-too\n"
    )
    found = read(**sandbox_settings("http://127.0.0.1:9000"))
    assert found == [("sandbox", "", "sandbox")] * 2


def test_limited_key_serves_its_service_only() -> None:
    both = read_settings(kie_api_key="k", acedata_api_keys="art/flux:a,all:b")
    assert [key.name for key in both.usable_keys(FLUX)] == ["art", "all"]
    assert [key.name for key in both.usable_keys(KIE)] == ["main"]
    key = AccountKey("art", SecretStr("a"), frozenset({"flux"}))
    assert (key.serves("flux"), key.serves("midjourney")) == (True, False)


def test_provider_without_a_usable_key_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read_settings(acedata_api_keys="art/flux:a")
    with pytest.raises(ConfigError, match=r"no key for kie: set IMAGEQUEUE_KIE_API_KEY$"):
        settings.usable_keys(KIE)
    monkeypatch.setattr(type(FLUX), "service", "midjourney")
    words = "no key for acedata.midjourney: set IMAGEQUEUE_ACEDATA_API_KEYS"
    with pytest.raises(ConfigError, match=words):
        settings.usable_keys(FLUX)


def test_providers_of_one_quota_share_its_limits() -> None:
    assert [each.quota for each in (KIE, MIDJOURNEY, FLUX)] == ["kie", "kie", "acedata.flux"]
    settings = read_settings()
    kie = ProviderLimits(tasks=20, seconds=10, max_in_flight=100, lookups_per_s=10)
    assert settings.limits(KIE) == settings.limits(MIDJOURNEY) == kie
    flux = ProviderLimits(tasks=5, seconds=1, max_in_flight=10, lookups_per_s=1)
    assert settings.limits(FLUX) == flux


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"kie_rate_limit": "7/2.5"}, (7, 2.5, 100)),
        ({"kie_rate_limit": "off"}, (0, 1, 100)),
        ({"kie_rate_limit": "0"}, (0, 1, 100)),
        ({"kie_rate_limit": "", "kie_max_in_flight": ""}, (20, 10, 100)),
        ({"kie_max_in_flight": "3"}, (20, 10, 3)),
        ({"kie_max_in_flight": "off"}, (20, 10, 0)),
        ({"kie_max_in_flight": "0"}, (20, 10, 0)),
        ({"acedata_max_in_flight": "3"}, (20, 10, 100)),
    ],
)
def test_settings_override_documented_limits(
    settings: dict[str, str], expected: tuple[int, float, int]
) -> None:
    found = read_settings(**settings).limits(KIE)
    assert (found.tasks, found.seconds, found.max_in_flight) == expected


@pytest.mark.parametrize("value", ["20", "20/0", "20/0.0", "-1/10", "a/b", "1/2/3", "1/inf", "no"])
def test_bad_rate_is_refused_with_an_example(value: str) -> None:
    line = read_refusal(kie_rate_limit=value)
    assert line == "IMAGEQUEUE_KIE_RATE_LIMIT: must be TASKS/SECONDS, such as 20/10, or off"


@pytest.mark.parametrize("value", ["-1", "1.5", "many", "9999999"])
def test_bad_number_in_flight_is_refused(value: str) -> None:
    line = read_refusal(kie_max_in_flight=value)
    assert line == "IMAGEQUEUE_KIE_MAX_IN_FLIGHT: must be a whole number, or off"
