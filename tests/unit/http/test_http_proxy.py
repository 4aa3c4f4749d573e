"""The way out: a proxy and own certificate authorities, both only if they are set."""

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagequeue.producer.local.ports import free_port
from imagequeue.worker.http.client import HttpClient
from imagequeue.worker.http.errors import NotSentError, PrivateAddressError
from support.hostile import Host, hosting, says
from support.http_servers import echoing, send
from support.proxy import Proxy, proxying
from support.tls import certify


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with proxying() as one:
        yield one


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Host]:
    with hosting(tls=certify(tmp_path)) as host:
        host.speak = says(200, b"hello")
        yield host


@pytest.fixture
def ca_file(tmp_path: Path, secure: Host) -> str:
    return str(tmp_path / "host.pem")


def test_a_plain_request_goes_through_the_proxy(proxy: Proxy) -> None:
    with echoing() as netloc:
        url = netloc.replace("127.0.0.1", "http://images.example") + "/a?b"
        response = send(url, http=HttpClient(proxy=proxy.url), method="POST", data=b"x")
    assert json.loads(response.body)["path"] == "/a?b"
    assert proxy.first_lines == [f"POST {url} HTTP/1.1"]


def test_a_secure_request_goes_through_a_tunnel(proxy: Proxy, secure: Host, ca_file: str) -> None:
    http = HttpClient(proxy=proxy.url, ca_file=ca_file)
    url = f"https://images.example:{secure.port}/0"
    headers = {"Authorization": "Bearer s3cr3t"}
    response = send(url, http=http, headers=headers)
    assert (response.status, response.body) == (200, b"hello")
    assert "x-proxy" not in response.headers
    assert proxy.first_lines == [f"CONNECT images.example:{secure.port} HTTP/1.1"]
    assert secure.asked[0].headers["authorization"] == "Bearer s3cr3t"
    assert "s3cr3t" not in proxy.heads[0]


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "the proxy answered HTTP 403"),
        (b"HTTP/1.1 407 Who?\r\nContent-Length: 0\r\n\r\n", "the proxy answered HTTP 407"),
        (b"HTTP/1.1 502 Bad\r\nContent-Length: 2\r\n\r\nno", "the proxy answered HTTP 502"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "."),
        (b"HTTP/1.1 200 OK\r\n", "."),
    ],
)
def test_nothing_was_sent_where_the_proxy_refuses_a_tunnel(
    proxy: Proxy, secure: Host, refusal: bytes, error: str
) -> None:
    proxy.refusal = refusal
    url = f"https://images.example:{secure.port}/0"
    with pytest.raises(NotSentError, match=error):
        send(url, http=HttpClient(proxy=proxy.url), method="POST", data=b"pay")
    assert secure.asked == []


def test_nothing_was_sent_where_the_proxy_is_away() -> None:
    http = HttpClient(proxy=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(NotSentError, match="refused"):
        send("http://images.example/", http=http)


def test_a_proxys_password_is_used_and_never_shown(proxy: Proxy) -> None:
    proxy.refusal = b"HTTP/1.1 407 Who?\r\n\r\n"
    http = HttpClient(proxy=proxy.url.replace("//", "//me:s3cr3t@"))
    with pytest.raises(NotSentError) as caught:
        send("https://images.example/", http=http)
    assert "Proxy-Authorization: Basic" in proxy.heads[0]
    assert "s3cr3t" not in str(caught.value)


def test_no_proxy_of_the_environment_is_an_exception(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")
    with echoing() as netloc:
        send(f"http://{netloc}/", http=HttpClient(proxy=proxy.url))
    assert len(proxy.heads) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "[::1]", "localhost", "a.localhost."])
def test_a_literal_private_address_is_blocked_behind_a_proxy(proxy: Proxy, host: str) -> None:
    http = HttpClient(proxy=proxy.url)
    with pytest.raises(PrivateAddressError):
        send(f"http://{host}:{free_port()}/", http=http, block_private_addresses=True)
    assert proxy.heads == []


def test_a_name_is_resolved_by_the_proxy(proxy: Proxy) -> None:
    """Which is on loopback itself, and leads there."""
    with echoing() as netloc:
        url = netloc.replace("127.0.0.1", "http://images.example")
        response = send(url, http=HttpClient(proxy=proxy.url), block_private_addresses=True)
    assert response.status == 200


def test_a_server_without_a_trusted_certificate_gets_nothing(secure: Host) -> None:
    with pytest.raises(NotSentError, match="certificate is not trusted"):
        send(f"https://127.0.0.1:{secure.port}/")
    assert secure.asked == []


def test_a_server_with_an_own_certificate_authority_is_trusted(secure: Host, ca_file: str) -> None:
    http = HttpClient(ca_file=ca_file)
    assert send(f"https://127.0.0.1:{secure.port}/", http=http).body == b"hello"


def test_a_certificate_of_another_host_is_refused(secure: Host, ca_file: str) -> None:
    http = HttpClient(ca_file=ca_file)
    with pytest.raises(NotSentError, match="certificate is not trusted"):
        send(f"https://localhost:{secure.port}/", http=http)


def test_the_environment_adds_no_certificate_authority(
    secure: Host, ca_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, ca_file)
    assert ssl.get_default_verify_paths().cafile == ca_file
    with pytest.raises(NotSentError):
        send(f"https://127.0.0.1:{secure.port}/")
