"""The URL of a Redis, parsed once, so that redis-py and kombu connect to the same place."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from .sentinel import FORM, is_sentinel_url, normalize_sentinel_url

SCHEMES = ("redis", "rediss", "unix")
# The options that redis-py and kombu both understand.
TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
TLS_WORDS = {
    "ssl_cert_reqs": ("required", "optional", "none"),
    "ssl_check_hostname": ("true", "false"),
}
VERIFY = {"ssl_cert_reqs": "required"}
_HOST = re.compile(r"[\w.:%-]+")
_DB = re.compile(r"[0-9]{1,6}")


def normalize_redis_url(url: str) -> str:
    """Return the URL in the one form that both libraries read alike.

    Raises ValueError, whose message quotes nothing: any part may belong to the password.
    """
    if "#" in url or not url.isprintable():
        raise ValueError(
            "must not contain # or control characters: write # in a password or path as %23"
        )
    if is_sentinel_url(url):
        return normalize_sentinel_url(url)
    if "," in url.partition("://")[2].partition("/")[0].rpartition("@")[2]:
        raise ValueError(f"names several hosts: with Sentinel write {FORM}")
    try:
        parts = urlsplit(url)
        port = parts.port
        (parts.hostname or "").encode("idna")  # as a socket will
    except ValueError:
        raise ValueError(
            "has an invalid port or address: use a port from 1 to 65535, and write special "
            "characters of a password as percent codes, such as %2F for /"
        ) from None
    if parts.scheme not in SCHEMES or not url.startswith(f"{parts.scheme}://"):
        raise ValueError(
            "must start with redis://, rediss://, unix://, redis+sentinel:// or rediss+sentinel://"
        )
    options = _parse_options(parts)
    if parts.scheme == "unix":
        return _format_unix_url(parts, options)
    if port == 0 or not _HOST.fullmatch(parts.hostname or "") or parts.netloc.endswith(":"):
        raise ValueError("must name a host, and a port from 1 to 65535 if it names one")
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    db = _choose_db(parts.path.strip("/"), options.pop("db", ""))
    tls = f"?{urlencode({**VERIFY, **options})}" if parts.scheme == "rediss" else ""
    address = f"{host}:{port}" if port else host
    return f"{parts.scheme}://{_format_credentials(parts)}{address}/{db}{tls}"


def to_broker_url(url: str) -> str:
    """Return a normalized URL in the form that kombu takes."""
    if not url.startswith("unix://"):
        return url
    return url.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)


def _parse_options(parts: SplitResult) -> dict[str, str]:
    given = parse_qsl(parts.query, keep_blank_values=True)
    options = dict(given)
    known = {"db"} | ({*TLS_FILES, *TLS_WORDS} if parts.scheme == "rediss" else set())
    if not options.keys() <= known or (parts.query and not options):
        raise ValueError(
            f"has an unknown option: known are {', '.join(sorted(known))}; "
            "write ? in a password as %3F"
        )
    if len(given) > len(options):
        raise ValueError("has an option twice: give each of them once")
    for name, words in TLS_WORDS.items():
        if options.get(name, words[0]) not in words:
            raise ValueError(f"has another {name} than {' or '.join(words)}")
    for name in TLS_FILES:
        if name in options and not Path(options[name]).is_file():
            raise ValueError(f"has a {name} that is no file: give its whole path")
    return options


def _format_unix_url(parts: SplitResult, options: dict[str, str]) -> str:
    if parts.hostname or parts.path in ("", "/") or "%00" in parts.path:
        raise ValueError("must name the socket by its whole path, such as unix:///run/redis.sock")
    db = _choose_db("", options.get("db", ""))
    path = quote(unquote(parts.path))
    return f"unix://{_format_credentials(parts)}{path}" + (f"?db={db}" if db else "")


def _choose_db(path: str, option: str) -> int:
    numbers = {number for number in (path, option) if number}
    if len(numbers) > 1 or not all(map(_DB.fullmatch, numbers)):
        raise ValueError(
            "must name one database by its number, such as redis://host:6379/3; "
            "write / in a password as %2F"
        )
    return int(numbers.pop()) if numbers else 0


def _format_credentials(parts: SplitResult) -> str:
    try:
        username, password = (
            quote(unquote(each or "", errors="strict"), "")
            for each in (parts.username, parts.password)
        )
    except UnicodeDecodeError:
        raise ValueError("has percent codes in its user or password that are not UTF-8") from None
    if username and not password:
        raise ValueError("has a user without a password: write user:password@ or :password@")
    return f"{username}:{password}@" if password else ""
