"""AMQP as the broker: its URL, and the settings under which Celery and kombu use it."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

SCHEMES = ("amqp", "amqps")
TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
# A broker that is away delays whoever sends a message by no more than about this long.
TIMEOUT_S = 1.0
# A worker that waits for messages notices within half a minute that its broker's host is gone.
HEARTBEAT_S = 15


def is_amqp_url(url: str) -> bool:
    """Whether the URL has a scheme of AMQP."""
    return url.partition("://")[0] in SCHEMES


def normalize_amqp_url(url: str) -> str:
    """Return the URL with each part quoted, as kombu reads it.

    Raises ValueError, whose message quotes nothing: any part may belong to the password.
    """
    if "#" in url or not url.isprintable() or " " in url:
        raise ValueError("must not contain # or spaces: write # in a password as %23")
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        user, password, vhost = (
            quote(unquote(part or "", errors="strict"), "")
            for part in (parts.username, parts.password, parts.path.removeprefix("/"))
        )
        (parts.hostname or "").encode("idna")
    except ValueError:  # also for percent codes that are not UTF-8
        raise ValueError(
            "has an invalid port, address or percent code: write special characters of a password "
            "as percent codes, such as %2F for /"
        ) from None
    if not parts.hostname or set(parts.hostname) & set(",;\\<>") or parts.port == 0:
        raise ValueError("must name one host, such as amqp://user:password@host:5672/vhost")
    if bool(user) is not bool(password):
        raise ValueError("must have a user with a password, or none: write user:password@")
    if "/" in parts.path[1:].removeprefix("/"):
        raise ValueError("must name one vhost: write / in its name as %2F")
    credentials = f"{user}:{password}@" if user else ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    options = urlencode(_parse_options(parts))
    return f"{parts.scheme}://{credentials}{host}{port}/{vhost}" + (
        f"?{options}" if options else ""
    )


def to_celery_config(url: str) -> dict[str, Any]:
    """Return Celery's settings for a normalized URL."""
    address, _, query = url.partition("?")
    config = {
        "broker_url": address,
        "broker_connection_timeout": TIMEOUT_S,
        "broker_heartbeat": HEARTBEAT_S,
        # kombu's own would try again for minutes inside of whoever sends a message.
        "broker_transport_options": {
            "max_retries": 0,
            "read_timeout": TIMEOUT_S,
            "write_timeout": TIMEOUT_S,
        },
        # Once more, for a connection that was cut while it was idle.
        "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0, "interval_max": 0},
    }
    if address.startswith("amqps://"):
        files = {name.removeprefix("ssl_"): path for name, path in parse_qsl(query)}
        # With None, kombu compares the certificate with the host of the URL.
        verify = {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None}
        config["broker_use_ssl"] = {**verify, **files}
    return config


def _parse_options(parts: SplitResult) -> dict[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    known = TLS_FILES if parts.scheme == "amqps" else ()
    if not options.keys() <= {*known} or (parts.query and not options):
        raise ValueError(
            f"has an unknown option: known are {', '.join(TLS_FILES)}, with amqps://; "
            "write ? in a password as %3F"
        )
    for name, path in options.items():
        if not Path(path).is_file():
            raise ValueError(f"has a {name} that is no file: give its whole path")
    return options
