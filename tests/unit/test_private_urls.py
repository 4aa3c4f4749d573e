"""Image URLs with private addresses: refused before anything is queued, without resolving."""

from typing import Any

import pytest

from imagequeue.config.settings import read_settings
from imagequeue.errors import InvalidRequestError
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
