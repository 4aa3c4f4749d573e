"""The URL of a Redis: both libraries connect to the same place, or the start is refused."""

from typing import Any

import pytest
import redis
from kombu import Connection

from imagequeue.config.redis_url import normalize_redis_url, to_broker_url
from imagequeue.config.settings import read_settings
from imagequeue.errors import ConfigError

# Given -> host or path, port, database, user, password.
URLS: dict[str, tuple[Any, ...]] = {
    "redis://localhost": ("localhost", 6379, 0, None, None),
    "redis://localhost/": ("localhost", 6379, 0, None, None),
    "redis://localhost?db=3": ("localhost", 6379, 3, None, None),
    "redis://localhost/?db=3": ("localhost", 6379, 3, None, None),
    "redis://localhost/3?db=3": ("localhost", 6379, 3, None, None),
    "redis://localhost:7000/4": ("localhost", 7000, 4, None, None),
    "redis://127.0.0.1:7000": ("127.0.0.1", 7000, 0, None, None),
    "redis://[::1]:7000/2": ("::1", 7000, 2, None, None),
    "redis://[::1]?db=2": ("::1", 6379, 2, None, None),
    "redis://:secret@localhost": ("localhost", 6379, 0, None, "secret"),
    "redis://me:secret@localhost/1": ("localhost", 6379, 1, "me", "secret"),
    "redis://me:a%23b%2Fc%3Fd%40e%3Bf%25@localhost": ("localhost", 6379, 0, "me", "a#b/c?d@e;f%"),
    "redis://:a;b@c@localhost": ("localhost", 6379, 0, None, "a;b@c"),
    "redis://:%2523@localhost": ("localhost", 6379, 0, None, "%23"),
    "unix:///run/redis.sock": ("/run/redis.sock", None, 0, None, None),
    "unix:///run/redis.sock?db=3": ("/run/redis.sock", None, 3, None, None),
    "unix:///my data/redis.sock?db=3": ("/my data/redis.sock", None, 3, None, None),
    "unix:///my%20data/a%23b%3Fc.sock": ("/my data/a#b?c.sock", None, 0, None, None),
    "unix://me:s%40t@/run/redis.sock?db=1": ("/run/redis.sock", None, 1, "me", "s@t"),
}


def of_redis_py(url: str) -> tuple[Any, ...]:
    pool = redis.ConnectionPool.from_url(url)
    found = pool.make_connection()
    place = getattr(found, "path", None) or getattr(found, "host", None)
    return (place, getattr(found, "port", None), found.db, found.username, found.password)


def of_kombu(url: str) -> tuple[Any, ...]:
    with Connection(to_broker_url(url)) as connection:
        channel = object.__new__(connection.get_transport_cls().Channel)
        channel.connection = type("Transport", (), {"client": connection, "default_port": 6379})()
        found = channel._connparams()
    place = found.get("path") or found.get("host")
    return (place, found.get("port"), found["db"], found["username"], found["password"])


@pytest.mark.parametrize("given", URLS)
def test_both_libraries_read_the_same(given: str) -> None:
    url = normalize_redis_url(given)
    assert of_redis_py(url) == URLS[given]
    assert of_kombu(url) == URLS[given]
    assert normalize_redis_url(url) == url


INVALID = {
    "http://localhost": "must start with redis://",
    "redis:localhost": "must start with redis://",
    "localhost:6379": "must start with redis://",
    "redis://": "must name a host",
    "redis:///3": "must name a host",
    "redis://localhost:": "a port from 1 to 65535",
    "redis://localhost:0": "a port from 1 to 65535",
    "redis://localhost:65536": "a port from 1 to 65535",
    "redis://localhost:abc": "a port from 1 to 65535",
    "redis://:hunter2#x@localhost": "as %23",
    "redis://:hunter2/x@localhost": "such as %2F",
    "redis://:hunter2?x@localhost": "port",
    "redis://:hunter2[x@localhost": "percent codes",
    "redis://hunter2@localhost": ":password@",
    "redis://localhost/abc": "by its number",
    "redis://localhost/-1": "by its number",
    "redis://localhost?db=abc": "by its number",
    "redis://localhost/1?db=2": "one database",
    "redis://localhost?hunter2=1": "unknown option",
    "redis://localhost?ssl_cert_reqs=none": "unknown option",
    "rediss://localhost?ssl_cert=hunter2": "unknown option",
    "unix://run/redis.sock": "whole path",
    "unix://": "whole path",
    "unix:///run/redis.sock?db=x": "by its number",
    "redis://local\nhost": "control characters",
    "redis://localhost ": "must name a host",
    "redis://localhost /1": "must name a host",
    "redis://first,second": "names several hosts",
    "redis://a:1,b:2/0": "names several hosts: with Sentinel write redis+sentinel://",
    "redis://<hunter2>:6379": "must name a host",
    "redis://localhost\\hunter2": "must name a host",
    "redis://a..hunter2": "invalid port or address",
    f"redis://{'hunter2' * 10}": "invalid port or address",
    "redis://localhost?db=1&db=2": "an option twice",
    "redis://localhost/" + "9" * 5000: "by its number",
    "redis://hunter2:@localhost": "user without a password",
    "redis://:hunter2%ff@localhost": "not UTF-8",
    "rediss://localhost?ssl_cert_reqs=hunter2": "required or optional or none",
    "rediss://localhost?ssl_cert_reqs=": "required or optional or none",
    "rediss://localhost?ssl_check_hostname=hunter2": "true or false",
    "rediss://localhost?ssl_ca_certs=/hunter2": "no file",
    "rediss://localhost?ssl_keyfile=": "no file",
    "unix:///run/hunter2%00.sock": "whole path",
}


@pytest.mark.parametrize("url", INVALID)
@pytest.mark.parametrize("name", ["redis_url", "broker_url"])
def test_invalid_url_is_one_line_without_the_password(name: str, url: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_settings(**{name: url})
    message = str(raised.value)
    assert message.startswith(f"IMAGEQUEUE_{name.upper()}: ")
    assert INVALID[url] in message
    assert "hunter2" not in message
    assert "\n" not in message
