"""The address of a Redis with failover, `redis+sentinel://h1,h2,h3/service/0`, and clients for it.

The Sentinels name the primary to every new connection, so a failover needs no restart.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import redis.asyncio.sentinel
import redis.sentinel

SCHEMES = ("redis+sentinel", "rediss+sentinel")
FORM = "redis+sentinel://user:password@host1:26379,host2:26379/service/0"
DEFAULT_PORT, MAX_PORT = 26379, 65535
TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
OPTIONS = ("sentinel_username", "sentinel_password")
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:(?P<port>[0-9]{1,5}))?")
_PATH = re.compile(r"/(?P<service>[\w.-]+)(/(?P<db>[0-9]{1,6}))?/?")


class SentinelAddress(NamedTuple):
    """Where the Sentinels are, what they call the primary, and how to log in to both."""

    hosts: tuple[tuple[str, int], ...]
    service: str
    db: int
    login: dict[str, str]
    """`username` and `password` of the Redis, as far as they are given."""
    sentinel_login: dict[str, str]
    tls: dict[str, str]
    """The options of TLS; empty without TLS."""

    @property
    def options(self) -> dict[str, Any]:
        """How redis-py connects to the primary."""
        return {"db": self.db, **self.login, **self._tls}

    @property
    def sentinel_options(self) -> dict[str, Any]:
        """How redis-py connects to a Sentinel."""
        return {**self.sentinel_login, **self._tls}

    @property
    def _tls(self) -> dict[str, Any]:
        return {"ssl": True, **self.tls} if self.tls else {}


def is_sentinel_url(url: str) -> bool:
    """Whether Sentinels are behind a URL."""
    return url.startswith(tuple(f"{scheme}://" for scheme in SCHEMES))


def normalize_sentinel_url(url: str) -> str:
    """Return the URL in one form; raises ValueError, whose message quotes nothing."""
    address = parse_sentinel_url(url)
    known = {f"sentinel_{name}": value for name, value in address.sentinel_login.items()}
    given = known | {k: v for k, v in address.tls.items() if k != "ssl_cert_reqs"}
    query = f"?{urlencode(given)}" if given else ""
    scheme = SCHEMES[bool(address.tls)]
    hosts = ",".join(_format_hosts(address))
    return f"{scheme}://{_format_login(address)}{hosts}/{address.service}/{address.db}{query}"


def parse_sentinel_url(url: str) -> SentinelAddress:
    """Return what a URL says; raises ValueError, whose message quotes nothing."""
    # urlsplit knows one host alone, and refuses several with an IPv6 address among them.
    scheme, _, rest = url.partition("://")
    netloc, slash, path = rest.partition("/")
    parts = urlsplit(f"{scheme}:///{path}" if slash else f"{scheme}:")
    has_tls = parts.scheme == SCHEMES[1]
    names = (*OPTIONS, *(TLS_FILES if has_tls else ()))
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if not options.keys() <= set(names) or (parts.query and not options) or parts.fragment:
        raise ValueError(f"has an unknown option: known are {', '.join(names)}")
    login, _, hosts = netloc.rpartition("@")
    found = [_HOST.fullmatch(host) for host in hosts.split(",")]
    service = _PATH.fullmatch(parts.path)
    if not service or not all(found):
        raise ValueError(f"must name the Sentinels and their service, such as {FORM}")
    user, _, password = login.partition(":")
    if user and not password:
        raise ValueError("has a user without a password: write user:password@ or :password@")
    try:
        own = {
            "username": unquote(user, errors="strict"),
            "password": unquote(password, errors="strict"),
        }
    except UnicodeDecodeError:
        raise ValueError("has percent codes in its user or password that are not UTF-8") from None
    of_sentinels = {name: options.get(f"sentinel_{name}", "") for name in own}
    tls = {name: options[name] for name in TLS_FILES if name in options}
    if not all(Path(file).is_file() for file in tls.values()):
        raise ValueError("has a file of TLS that is no file: give its whole path")
    return SentinelAddress(
        tuple((each["host"].strip("[]"), _parse_port(each["port"])) for each in found if each),
        service["service"],
        int(service["db"] or 0),
        {name: value for name, value in own.items() if value},
        {name: value for name, value in of_sentinels.items() if value},
        {"ssl_cert_reqs": "required", **tls} if has_tls else {},
    )


def _parse_port(text: str | None) -> int:
    port = int(text or DEFAULT_PORT)
    if not 0 < port <= MAX_PORT:
        raise ValueError("has an invalid port: use a port from 1 to 65535")
    return port


def connect_to_primary(url: str, **options: Any) -> redis.Redis:
    """Return a client whose new connections lead to the primary of the moment."""
    address = parse_sentinel_url(url)
    manager = redis.sentinel.Sentinel(  # type: ignore[no-untyped-call]
        address.hosts, sentinel_kwargs=_of_sentinel(address, options), **address.options, **options
    )
    client: redis.Redis = manager.master_for(address.service)  # type: ignore[no-untyped-call]
    return client


def connect_to_primary_async(url: str, **options: Any) -> redis.asyncio.Redis:
    """Return an async client whose new connections lead to the primary of the moment."""
    address = parse_sentinel_url(url)
    manager = redis.asyncio.sentinel.Sentinel(  # type: ignore[no-untyped-call]
        address.hosts, sentinel_kwargs=_of_sentinel(address, options), **address.options, **options
    )
    client: redis.asyncio.Redis = manager.master_for(address.service)
    return client


def to_kombu(url: str) -> tuple[str, dict[str, Any], dict[str, Any] | None]:
    """Return the broker's URL as kombu takes it, its transport options, and those of TLS."""
    address = parse_sentinel_url(url)
    login = _format_login(address)
    urls = (f"sentinel://{login}{host}/{address.db}" for host in _format_hosts(address))
    transport = {
        "master_name": address.service,
        "sentinel_kwargs": {
            **address.sentinel_options,
            "socket_timeout": 5,
            "socket_connect_timeout": 5,
        },
    }
    return ";".join(urls), transport, dict(address.tls) or None


def _format_hosts(address: SentinelAddress) -> list[str]:
    return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in address.hosts]


def _format_login(address: SentinelAddress) -> str:
    names = [quote(address.login.get(name, ""), "") for name in ("username", "password")]
    return ":".join(names) + "@" if address.login else ""


def _of_sentinel(address: SentinelAddress, options: dict[str, Any]) -> dict[str, Any]:
    timeouts = {name: value for name, value in options.items() if name.startswith("socket_")}
    return {**timeouts, **address.sentinel_options}
