"""`imagequeue doctor`: each line ok or what to do, whatever is away, and no secret in any."""

import socket
from pathlib import Path
from typing import Any

import pytest
import redis

from imagequeue.jobs.job import utc_now
from imagequeue.store.callers.api_keys import ApiKeys, Limits
from support.cli import imagequeue
from support.doctor import Doctor, Overrides
from support.proxy import proxying
from support.stub import Stub
from support.tls import certify


def test_healthy_system_passes(doctor: Doctor, receiving: Any, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        ApiKeys(client).add("shop", Limits(), utc_now())
    hook = {"webhook_url": "https://example.com/hook", "webhook_secret": "whsec_" + "a" * 32}
    url = receiving()
    found = doctor(public_url=url, api_keys="key-one,key-two", **hook)
    assert found.failed == {}
    assert " ".join(found.ok) == (
        "settings plug-ins provider keys secret storage redis redis latency redis memory broker "
        "clock deployment archive records outgoing callbacks webhooks api keys "
        "kie limits acedata.flux limits acedata.nano-banana limits "
        "acedata.seedream limits acedata.qwen-image limits acedata.openai limits "
        "acedata.midjourney limits openai limits receiver worker workers of submit "
        "workers of poll workers of callback workers of download workers of notify"
    )
    assert found.ok["callbacks"] == f"the receiver answers at {url}"
    assert found.ok["api keys"] == "3 in use"
    assert found.ok["provider keys"].startswith("kie: ")
    assert found.ok["provider keys"].endswith(" credits left; acedata: set, not checked")


def test_text_output_has_a_line_per_check(overrides: Overrides, doctor: Doctor) -> None:
    ran = imagequeue("doctor", settings=overrides)
    assert (ran.status, ran.err) == (0, "")
    assert {line[:6] for line in ran.out.splitlines()} == {"ok    "}
    ran = imagequeue("doctor", settings={**overrides, "lease_s": "soon"})
    assert (ran.status, ran.out.count("\n")) == (1, 1)
    assert ran.out.startswith("FAIL  settings: IMAGEQUEUE_LEASE_S: ")
    assert "IMAGEQUEUE_SECRET_KEY is not set" in doctor(secret_key="").failed["secret"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            (200, {"code": 401, "msg": "no access"}),
            "refuses the key (401)",
        ),
        ((403, {}), "refuses the key (403): correct IMAGEQUEUE_KIE_API_KEY"),
        ((200, {"code": 200, "msg": "success", "data": 0}), "top up"),
        ((200, {"code": 200, "msg": "success", "data": None}), "does not report the credit"),
        ((502, b"<html>bad gateway</html>"), "does not report the credit (502)"),
        (None, "does not answer (ConnectionError)"),
    ],
)
def test_useless_provider_key_fails(doctor: Doctor, stub: Stub, answer: Any, words: str) -> None:
    stub.answer = lambda *_: answer
    found = doctor(kie_base_url=stub.url)
    assert list(found.failed) == ["provider keys"]
    assert words in found.failed["provider keys"]


def test_each_key_is_checked(doctor: Doctor, stub: Stub) -> None:
    """Of three keys one is refused, one has no credit: both are named, each with its setting."""
    keys = {"kie_api_key": "fine", "kie_api_keys": "spare:hunter2, poor:whsec_"}
    credit = iter([(200, 7), (401, None), (200, 0)])

    def answer(*_: object) -> object:
        code, left = next(credit)
        return 200, {"code": code, "msg": "", "data": left}

    stub.answer = answer
    found = doctor(kie_base_url=stub.url, **keys)
    assert found.failed["provider keys"] == (
        "kie spare refuses the key (401): correct IMAGEQUEUE_KIE_API_KEYS; "
        "kie poor: 0 credits left: top up, or its jobs fail"
    )
    sent = [headers["authorization"] for headers in stub.headers]
    assert sent == ["Bearer fine", "Bearer hunter2", "Bearer whsec_"]
    stub.answer = lambda *_: (200, {"code": 200, "msg": "", "data": 7})
    found = doctor(kie_base_url=stub.url, **keys)
    assert found.ok["provider keys"].startswith("kie main: 7 credits left; kie spare: 7 credits")


def test_missing_provider_keys_fail(doctor: Doctor) -> None:
    found = doctor(kie_api_key="", acedata_api_key="")
    assert "set IMAGEQUEUE_KIE_API_KEY" in found.failed["provider keys"]
    assert doctor(kie_api_key="").ok["provider keys"] == "acedata: set, not checked"


@pytest.mark.parametrize("secret", ["another one", "another one,a secret of the tests"])
def test_receiver_with_another_secret_fails(doctor: Doctor, receiving: Any, secret: str) -> None:
    found = doctor(public_url=receiving(secret_key=secret))
    assert list(found.failed) == ["callbacks"]
    assert "has another IMAGEQUEUE_SECRET_KEY" in found.failed["callbacks"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, {"status": "ok"}), "is not a receiver of this version"),
        ((200, b"welcome"), "is not a receiver of this version"),
        ((200, {"proof": "é"}), "has another IMAGEQUEUE_SECRET_KEY"),
        ((503, {"status": "Redis takes no writes"}), "answers 503"),
        ((302, {}, {"Location": "https://example.com"}), "answers 302"),
        (None, "does not answer (ConnectionError)"),
    ],
)
def test_public_url_that_leads_elsewhere_fails(
    doctor: Doctor, stub: Stub, answer: Any, words: str
) -> None:
    stub.answer = lambda *_: answer
    found = doctor(public_url=stub.url)
    assert list(found.failed) == ["callbacks"]
    assert words in found.failed["callbacks"]


def test_webhooks_without_a_secret_fail(doctor: Doctor) -> None:
    found = doctor(webhook_url="https://example.com/hook")
    assert list(found.failed) == ["webhooks"]
    assert "IMAGEQUEUE_WEBHOOK_SECRET is not set" in found.failed["webhooks"]


def test_webhooks_to_a_private_address_fail(doctor: Doctor) -> None:
    found = doctor(webhook_url="http://localhost/hook", webhook_secret="whsec_" + "a" * 32)
    assert list(found.failed) == ["webhooks"]
    assert "IMAGEQUEUE_WEBHOOK_TRUSTED_HOSTS" in found.failed["webhooks"]


def test_unwritable_storage_fails(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert list(doctor(storage_url=f"file://{tmp_path}/file/images").failed) == ["storage"]


def test_the_way_out_is_named_without_its_password(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert doctor().ok["outgoing"] == (
        "direct, without a proxy; trusting the public certificate authorities"
    )
    certify(tmp_path)
    ca_file = tmp_path / "host.pem"
    with proxying() as proxy:
        url = proxy.url.replace("//", "//me:s3cr3t@")
        found = doctor(http_proxy=f"{url}/", ca_file=str(ca_file))
    assert found.ok["outgoing"] == f"through the proxy {proxy.netloc}; trusting {ca_file}"
    assert found.ok["provider keys"].startswith("kie: ")
    assert any("/api/v1/chat/credit" in line for line in proxy.first_lines)
    assert "s3cr3t" not in str(found)


def test_fake_addresses_of_a_proxy_are_detected(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo

    def answer_fakes(host: Any, *rest: Any, **options: Any) -> Any:
        return resolve("198.18.0.5" if host == "api.acedata.cloud" else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", answer_fakes)
    found = doctor().failed["outgoing"]
    assert "api.acedata.cloud leads to 198.18.0.5, a fake address" in found
    assert "IMAGEQUEUE_DOWNLOAD_TRUSTED_NETWORKS=198.18.0.0/15" in found
    assert "outgoing" in doctor(download_trusted_networks="198.18.0.0/15").ok


def test_doctor_creates_nothing(doctor: Doctor, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "images"
    found = doctor(storage_url=folder.as_uri())
    assert found.ok["storage"] == (
        f"{folder} does not exist yet; the first process that saves an image makes it"
    )
    assert not folder.parent.exists()
