"""The URL of a Redis behind Sentinels: one form for redis-py and kombu, or a refusal."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from kombu import Connection

from imagequeue.config.redis_url import normalize_redis_url
from imagequeue.config.sentinel import parse_sentinel_url, to_kombu
from imagequeue.config.settings import read_settings
from imagequeue.errors import ConfigError

WHOLE = "redis+sentinel://me:a%40b%3B@one:26379,[::1]:26380/main/3?sentinel_password=s"


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("redis+sentinel://one/main", "redis+sentinel://one:26379/main/0"),
        ("redis+sentinel://:pw@one,two:1/main/2/", "redis+sentinel://:pw@one:26379,two:1/main/2"),
        (WHOLE, WHOLE),
        ("rediss+sentinel://one/main", "rediss+sentinel://one:26379/main/0"),
    ],
)
def test_url_has_one_form(given: str, normal: str) -> None:
    assert normalize_redis_url(given) == normal
    assert normalize_redis_url(normal) == normal


def test_every_part_is_read(tmp_path: Path) -> None:
    address = parse_sentinel_url(WHOLE)
    assert address.hosts == (("one", 26379), ("::1", 26380))
    assert (address.service, address.db) == ("main", 3)
    assert address.options == {"db": 3, "username": "me", "password": "a@b;"}
    assert address.sentinel_options == {"password": "s"}


def test_tls_is_that_of_the_redis_and_of_the_sentinels(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("")
    address = parse_sentinel_url(f"rediss+sentinel://one/main?ssl_ca_certs={authority}")
    verified = {"ssl": True, "ssl_cert_reqs": "required", "ssl_ca_certs": str(authority)}
    assert address.options == {"db": 0, **verified}
    assert address.sentinel_options == verified


def test_kombu_reads_the_same() -> None:
    url, transport, tls = to_kombu(WHOLE)
    with Connection(url, transport_options=transport) as connection:
        assert [urlsplit(each).port for each in connection.alt] == [26379, 26380]
        assert [urlsplit(each).hostname for each in connection.alt] == ["one", "::1"]
        assert (connection.userid, connection.password) == ("me", "a@b;")
        assert connection.virtual_host == "3"
    assert transport["master_name"] == "main"
    assert transport["sentinel_kwargs"]["password"] == "s"
    assert tls is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis+sentinel://one", "service"),
        ("redis+sentinel:///main", "service"),
        ("redis+sentinel://one,/main", "service"),
        ("redis+sentinel://one:99999/main", "port from 1 to 65535"),
        ("redis+sentinel://me@one/main", "user without a password"),
        ("redis+sentinel://:%ffhunter2@one/main", "not UTF-8"),
        ("redis+sentinel://one/main?hunter2=1", "unknown option"),
        ("redis+sentinel://one/main?ssl_ca_certs=/x", "unknown option"),
        ("rediss+sentinel://one/main?ssl_ca_certs=/none", "whole path"),
        ("redis://one:1,two:2/0", "several hosts"),
    ],
)
def test_other_urls_are_refused(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        read_settings(redis_url=url)
    assert "hunter2" not in str(refused.value)
