"""Image URLs with private addresses: refused before anything is queued, without resolving."""

from typing import Any

import pytest

from imagequeue.config.settings import read_settings
from imagequeue.errors import ConfigError, InvalidRequestError
from imagequeue.jobs.build import build_job
from imagequeue.jobs.job import utc_now
from imagequeue.providers.request import JobRequest

KEYS = {"kie_api_key": "k", "acedata_api_key": "a", "secret_key": "s"}
EDIT: dict[str, Any] = {"provider": "kie-flux-kontext", "action": "edit", "prompt": "a hat"}
PRIVATE = [
    "http://127.0.0.1/a.png",
    "https://localhost:8000/a.png",
    "https://LocalHost./a.png",
    "http://a.localhost/a.png",
    "http://printer.local/a.png",
    "http://metadata.google.internal/a.png",
    "http://10.1.2.3/a.png",
    "http://172.16.0.1/a.png",
    "http://192.168.1.1/a.png",
    "http://169.254.169.254/latest",
    "http://0.0.0.0/a.png",
    "http://127.1/a.png",
    "http://0x7f000001/a.png",
    "http://2130706433/a.png",
    "http://0177.0.0.1/a.png",
    "http://%31%32%37.0.0.1/a.png",
    "http://\uff11\uff12\uff17.0.0.1/a.png",
    "http://user@127.0.0.1/a.png",
    "http://[::1]/a.png",
    "http://[::ffff:10.0.0.1]/a.png",
    "http://[fd00::1]/a.png",
    "http://[fe80::1%25eth0]/a.png",
]
PUBLIC = [
    "https://a.example/a.png",
    "https://localhost.example/a.png",
    "https://8.8.8.8/a.png",
    "https://172.32.0.1/a.png",
    "https://[2606:4700::1111]/a.png",
    "https://10.example/a.png",
]


SECRET = f"whsec_{'a' * 32}"


def accept(url: str, overrides: dict[str, Any] | None = None, **fields: Any) -> None:
    request = JobRequest(**{**EDIT, "image_urls": (url,), **fields})
    build_job(read_settings(alone=True, **KEYS, **(overrides or {})), request, utc_now())


@pytest.mark.parametrize("url", PRIVATE)
def test_private_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="DOWNLOAD_TRUSTED_HOSTS") as refused:
        accept(url)
    assert [problem.field for problem in refused.value.problems] == ["image_urls.0"]


@pytest.mark.parametrize("url", PUBLIC)
def test_public_address_or_name_is_accepted(url: str) -> None:
    accept(url)


def test_trusted_host_or_network_is_accepted() -> None:
    accept("http://127.0.0.1:9000/a.png", {"download_trusted_hosts": "127.0.0.1:9000"})
    accept("http://localhost/a.png", {"download_trusted_hosts": "localhost:80"})
    accept("http://10.1.2.3/a.png", {"download_trusted_networks": "10.0.0.0/8"})
    with pytest.raises(InvalidRequestError):
        accept("http://127.0.0.1:9001/a.png", {"download_trusted_hosts": "127.0.0.1:9000"})


def test_provider_at_a_private_address_may_be_given_any() -> None:
    sandbox = {"kie_base_url": "http://127.0.0.1:9000"}
    accept("http://127.0.0.1:9000/a.png", sandbox)
    fallback = ({"provider": "acedata-flux"},)
    with pytest.raises(InvalidRequestError):
        accept("http://127.0.0.1:9000/a.png", sandbox, fallback=fallback)
    accept(
        "http://127.0.0.1:9000/a.png",
        {**sandbox, "acedata_base_url": "http://localhost:9000"},
        fallback=fallback,
    )


def accept_webhook(url: str, **overrides: Any) -> None:
    request = JobRequest(provider="kie-flux-kontext", prompt="a hat", webhook_url=url)
    settings = read_settings(alone=True, **KEYS, webhook_secret=SECRET, **overrides)
    build_job(settings, request, utc_now())


@pytest.mark.parametrize("url", [each for each in PRIVATE if "@" not in each])
def test_webhook_to_a_private_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="WEBHOOK_TRUSTED_HOSTS") as refused:
        accept_webhook(url)
    assert [problem.field for problem in refused.value.problems] == ["webhook_url"]


@pytest.mark.parametrize("url", PUBLIC)
def test_webhook_to_a_public_address_is_accepted(url: str) -> None:
    accept_webhook(url)


@pytest.mark.parametrize(
    ("url", "trusted"),
    [
        ("http://localhost:5000/hook", {"webhook_trusted_hosts": "localhost:5000"}),
        ("http://10.1.2.3/hook", {"webhook_trusted_hosts": "10.1.2.3:80"}),
        ("http://10.1.2.3/hook", {"webhook_trusted_networks": "10.0.0.0/8"}),
        ("http://shop.internal/hook", {"webhook_trusted_networks": "10.0.0.0/8"}),
        ("http://shop.internal/hook", {"http_proxy": "http://proxy.example:3128"}),
    ],
)
def test_webhook_to_a_trusted_host_is_accepted(url: str, trusted: dict[str, str]) -> None:
    accept_webhook(url, **trusted)


@pytest.mark.parametrize(
    ("url", "trusted"),
    [
        ("http://localhost:5001/hook", {"webhook_trusted_hosts": "localhost:5000"}),
        ("http://localhost/hook", {"webhook_trusted_networks": "127.0.0.0/8"}),
        ("http://10.1.2.3/hook", {"webhook_trusted_networks": "192.168.0.0/16"}),
        ("http://10.1.2.3/hook", {"download_trusted_networks": "10.0.0.0/8"}),
        ("http://10.1.2.3/hook", {"http_proxy": "http://proxy.example:3128"}),
    ],
)
def test_webhook_that_no_worker_sends_is_refused(url: str, trusted: dict[str, str]) -> None:
    with pytest.raises(InvalidRequestError, match="WEBHOOK_TRUSTED_NETWORKS"):
        accept_webhook(url, **trusted)


def test_private_webhook_url_of_the_settings_names_its_setting() -> None:
    with pytest.raises(ConfigError, match="IMAGEQUEUE_WEBHOOK_URL: localhost is a private"):
        accept(
            "https://a.example/a.png",
            {"webhook_url": "http://localhost/", "webhook_secret": SECRET},
        )
