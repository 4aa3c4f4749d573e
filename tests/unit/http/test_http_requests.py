"""HTTP requests: what goes out, where it may go, and what comes back of a body."""

import base64
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagequeue.worker.http.client import HttpClient
from imagequeue.worker.http.errors import InvalidUrlError, NotSentError
from support.hostile import hosting, redirects
from support.http_servers import echoing, resolve, send, serving


@pytest.fixture
def echo() -> Iterator[str]:
    with echoing() as netloc:
        yield netloc


def echo_of(url: str, **options: Any) -> Any:
    return json.loads(send(url, **options).body)


def test_a_request_carries_nothing_of_the_one_before(echo: str) -> None:
    http = HttpClient()
    for _ in range(2):
        about = echo_of(
            f"http://{echo}/a b?c",
            http=http,
            method="POST",
            headers={"user-agent": "mine", "Authorization": "Bearer key"},
            json={"prompt": "é"},
        )
        assert about["path"] == "/a%20b?c"
        assert json.loads(about["body"]) == {"prompt": "é"}
        assert about["headers"] == {
            "host": echo,
            "user-agent": "mine",
            "accept": "*/*",
            "accept-encoding": "gzip, deflate",
            "authorization": "Bearer key",
            "content-type": "application/json",
            "content-length": str(len(about["body"])),
        }
    about = echo_of(f"http://{echo}/", http=http, params={"id": "a b&c"})
    assert (about["path"], about["body"]) == ("/?id=a+b%26c", "")
    assert about["headers"].keys() == {"host", "user-agent", "accept", "accept-encoding"}


def test_a_large_body_is_sent_without_waiting_for_permission(echo: str) -> None:
    data = b"x" * 2_000_000
    about = echo_of(f"http://{echo}/", method="POST", data=data, max_bytes=1 << 22)
    assert "expect" not in about["headers"]
    assert len(about["body"]) == len(data)


def test_a_post_without_a_body_says_so(echo: str) -> None:
    assert echo_of(f"http://{echo}/", method="POST")["headers"]["content-length"] == "0"


def test_a_password_in_a_url_is_used_and_replaces_no_key(echo: str) -> None:
    url = f"http://me:p%40ss@{echo}/"
    expected = "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert echo_of(url)["headers"]["authorization"] == expected
    given = echo_of(url, headers={"Authorization": "Bearer key"})
    assert given["headers"]["authorization"] == "Bearer key"


def test_neither_netrc_nor_the_environments_proxy_is_used(
    echo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login me password {'x' * 9}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert "authorization" not in echo_of(f"http://{echo}/")["headers"]


def test_an_international_name_is_translated() -> None:
    with echoing() as netloc:
        http, port = HttpClient(), int(netloc.split(":")[1])
        resolve(http, port, **{"xn--mnchen-3ya_example": "127.0.0.1"})
        host = echo_of(f"http://münchen.example:{port}/", http=http)["headers"]["host"]
    assert host == f"xn--mnchen-3ya.example:{port}"


def redirecting(location: str) -> Any:
    head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    return serving(lambda connection: connection.sendall(head.encode()))


def test_authorization_is_not_sent_to_another_host(echo: str) -> None:
    headers = {"Authorization": "Bearer key", "X-More": "kept"}
    with redirecting(f"http://{echo}/there") as url:
        about = echo_of(url, headers=headers, follow_redirects=True)
    assert about["path"] == "/there"
    assert about["headers"]["x-more"] == "kept"
    assert "authorization" not in about["headers"]


def test_authorization_is_sent_to_the_same_host() -> None:
    with hosting() as host:
        host.speak = redirects("/b")
        with pytest.raises(InvalidUrlError, match="redirects"):
            send(f"{host.url}/a", headers={"Authorization": "key"}, follow_redirects=True)
    assert [asked.headers["authorization"] for asked in host.asked] == ["key"] * 6


@pytest.mark.parametrize("options", [{}, {"method": "POST", "follow_redirects": True}])
def test_a_redirect_is_a_response_unless_a_get_follows_it(
    echo: str, options: dict[str, Any]
) -> None:
    with redirecting(f"http://{echo}/there") as url:
        assert send(url, **options).status == 302


def test_a_body_is_cut_at_the_bound() -> None:
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    with serving(lambda connection: connection.sendall(head + b"x" * 10**6)) as url:
        assert send(url, max_bytes=1000).body == b"x" * 1000


def test_without_a_bound_only_the_head_is_read() -> None:
    def speak(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
        connection.recv(1)

    with serving(speak) as url:
        response = send(url, max_bytes=0)
    assert (response.status, response.headers) == (200, {"content-length": "99"})


def test_a_streamed_body_comes_in_large_pieces() -> None:
    body, pieces = bytes(1_000_000), []
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with serving(lambda connection: connection.sendall(head + body)) as url:
        send(url, receiver=lambda _: pieces.append)
    assert b"".join(pieces) == body
    assert all(len(piece) >= 256 * 1024 for piece in pieces[:-1])


def test_a_slow_body_is_not_gathered_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagequeue.worker.http.transfer.GATHER_S", 0)
    pieces: list[bytes] = []
    answered: list[bool] = []

    def speak(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx")
        while not pieces:
            pass
        answered.append(True)
        connection.sendall(b"y")

    with serving(speak) as url:
        send(url, receiver=lambda _: pieces.append)
    assert (pieces, answered) == ([b"x", b"y"], [True])


def test_other_methods_are_refused(echo: str) -> None:
    with pytest.raises(NotSentError, match="PUT is not supported"):
        send(f"http://{echo}/", method="PUT")
