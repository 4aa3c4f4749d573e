"""The URL of an AMQP broker: kombu connects to the place that it names, or the start is refused."""

import ssl
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection

from imagequeue.config.amqp import normalize_amqp_url, to_celery_config
from imagequeue.config.celery import make_celery
from imagequeue.config.settings import read_settings
from imagequeue.errors import ConfigError
from support.tls import certify

# Given -> host, port, vhost, user, password.
URLS: dict[str, tuple[Any, ...]] = {
    "amqp://localhost": ("localhost", None, "/", None, None),
    "amqp://localhost/": ("localhost", None, "/", None, None),
    "amqp://localhost//": ("localhost", None, "/", None, None),
    "amqp://localhost:5673/%2F": ("localhost", 5673, "/", None, None),
    "amqp://me:secret@rabbit:5673/jobs": ("rabbit", 5673, "jobs", "me", "secret"),
    "amqp://me:secret@rabbit/jobs%2Fa b".replace(" ", "%20"): (
        *("rabbit", None, "jobs/a b", "me", "secret"),
    ),
    "amqp://me:a%23b%2Fc%3Fd%40e%3Bf%25@rabbit": ("rabbit", None, "/", "me", "a#b/c?d@e;f%"),
    "amqp://me:a;b@c@rabbit/jobs": ("rabbit", None, "jobs", "me", "a;b@c"),
    "amqp://[::1]:5673/jobs": ("::1", 5673, "jobs", None, None),
    "amqps://me:secret@rabbit:5671/jobs": ("rabbit", 5671, "jobs", "me", "secret"),
}

INVALID = {
    "sqs://hunter2:hunter2@": "amqp:// or amqps://: no other broker",
    "pyamqp://me:hunter2@localhost": "must start with redis://",
    "amqp:localhost": "must start with redis://",
    "amqp://": "must name one host",
    "amqp:///jobs": "must name one host",
    "amqp://localhost:0": "must name one host",
    "amqp://localhost:abc": "invalid port",
    "amqp://me:hunter2@one,two": "must name one host",
    "amqp://me:hunter2@one;amqp://two": "must name one",
    "amqp://hunter2@localhost": "a user with a password",
    "amqp://:hunter2@localhost": "a user with a password",
    "amqp://me:hunter2#x@localhost": "as %23",
    "amqp://me:hunter2/x@localhost": "such as %2F",
    "amqp://me:hunter2%ff@localhost": "percent code",
    "amqp://localhost/jobs/hunter2": "one vhost",
    "amqp://localhost?heartbeat=hunter2": "unknown option",
    "amqp://localhost?ssl_ca_certs=/hunter2": "unknown option",
    "amqps://localhost?ssl_cert_reqs=hunter2": "unknown option",
    "amqps://localhost?ssl_ca_certs=/hunter2": "no file",
}


@pytest.mark.parametrize("given", URLS)
def test_kombu_reads_what_the_url_says(given: str) -> None:
    url = normalize_amqp_url(given)
    assert normalize_amqp_url(url) == url
    with Connection(to_celery_config(url)["broker_url"]) as found:
        place = (found.hostname, found.port, found.virtual_host, found.userid, found.password)
    assert place == URLS[given]


@pytest.mark.parametrize("url", INVALID)
def test_invalid_broker_is_one_line_without_the_password(url: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_settings(broker_url=url)
    message = str(raised.value)
    assert message.startswith("IMAGEQUEUE_BROKER_URL: ")
    assert INVALID[url] in message
    assert "hunter2" not in message
    assert "\n" not in message


def test_redis_of_the_jobs_cannot_be_amqp() -> None:
    with pytest.raises(ConfigError, match="IMAGEQUEUE_REDIS_URL: must start with redis://"):
        read_settings(redis_url="amqp://localhost")


def test_certificate_of_the_broker_is_verified(tmp_path: Path) -> None:
    certify(tmp_path)
    url = f"amqps://rabbit/jobs?ssl_ca_certs={tmp_path / 'host.pem'}"
    settings = read_settings(redis_url="redis://localhost", broker_url=url)
    with make_celery(settings) as celery, celery.connection_for_write() as connection:
        assert connection.virtual_host == "jobs"
        assert connection.ssl == {
            "cert_reqs": ssl.CERT_REQUIRED,
            "server_hostname": None,
            "ca_certs": str(tmp_path / "host.pem"),
        }
