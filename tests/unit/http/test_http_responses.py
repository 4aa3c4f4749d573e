"""HTTP responses: odd ones that are read, and broken ones that are refused."""

import socket
import struct
import time
import zlib
from collections.abc import Callable

import pytest

from imagequeue.worker.http.errors import NoResponseError
from support.http_servers import bytewise, send, serving

OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = OK + b"Content-Length: 5\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n"
CHUNKED_HELLO = CHUNKED + b"\r\n5\r\nhello\r\n0\r\n"
READ = {
    "length": LENGTH + b"\r\nhello",
    "blank before the colon": OK + b"Content-Length : 5\r\n\r\nhello",
    "no CR": b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello",
    "a folded header": LENGTH + b"X-Long: a\r\n b\r\n\r\nhello",
    "an odd header": LENGTH + b"X-Odd: \xff\x01\r\n\r\nhello",
    "upgrade offered": LENGTH + b"Upgrade: h2\r\nConnection: Upgrade, Keep-Alive\r\n\r\nhello",
    "close": LENGTH + b"Connection: close\r\n\r\nhello",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "chunked": CHUNKED + b"\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
    "chunked, with trailers": CHUNKED_HELLO + b"X-More: a\r\n\r\n",
    "chunked, with a length as well": LENGTH + CHUNKED_HELLO[len(OK) :] + b"\r\n",
    "the length twice": LENGTH + LENGTH[len(OK) :] + b"\r\nhello",
    "the length twice in one": OK + b"Content-Length: 5, 5\r\n\r\nhello",
    "no name": LENGTH + b": nothing\r\n\r\nhello",
    "an invalid name": LENGTH + b"X (Y): z\r\n\r\nhello",
    "no coding": LENGTH + b"Transfer-Encoding:\r\n\r\nhello",
    "identity": LENGTH + b"Transfer-Encoding: identity\r\n\r\nhello",
    "interim response with close": b"HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\n"
    + LENGTH
    + b"\r\nhello",
    "to the end": OK + b"\r\nhello",
    "interim responses": b"HTTP/1.1 100 Continue\r\nX-A: b\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n"
    + LENGTH
    + b"\r\nhello",
    "junk behind it": LENGTH + b"\r\nhellojunk",
    "another response behind it": LENGTH + b"\r\nhelloHTTP/1.1 404 Not Found\r\nX-A: b\r\n\r\n",
}
REFUSED = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "half a head": LENGTH,
    "half a header": LENGTH + b"X-A: b",
    "half a body": LENGTH + b"\r\nhel",
    "half a chunk": CHUNKED + b"\r\n5\r\nhel",
    "no last chunk": CHUNKED + b"\r\n5\r\nhello\r\n",
    "half a last chunk": CHUNKED + b"\r\n5\r\nhello\r\n10\r\n",
    "no empty line behind the last chunk": CHUNKED_HELLO,
    "a broken trailer": CHUNKED_HELLO + b"X Y\r\n\r\n",
    "invalid chunks": CHUNKED + b"\r\nhello",
    "status 000": b"HTTP/1.1 000 X\r\nContent-Length: 5\r\n\r\nhello",
    "status 99": b"HTTP/1.1 99 X\r\nContent-Length: 5\r\n\r\nhello",
    "another protocol": b"HTTP/1.1 101 Switching\r\nUpgrade: h2\r\nConnection: Upgrade\r\n\r\nPRI",
    "only an interim response": b"HTTP/1.1 100 Continue\r\n\r\n",
    "no colon": LENGTH + b"no colon\r\n\r\nhello",
    "blanks in the first line": b"HTTP/1.1  200  OK\r\n" + LENGTH[len(OK) :] + b"\r\nhello",
    "HTTP/1.2": b"HTTP/1.2" + LENGTH[8:] + b"\r\nhello",
    "a number, which may be cut off": CHUNKED + b"\r\n2\r\n12\r\n",
    "half a JSON object": CHUNKED + b'\r\n8\r\n{"id": 1\r\n',
    "a negative length": OK + b"Content-Length: -5\r\n\r\nhello",
}


def whole(connection: socket.socket, answer: bytes) -> None:
    connection.sendall(answer)


Way = Callable[[socket.socket, bytes], None]


@pytest.mark.parametrize("way", [whole, bytewise])
@pytest.mark.parametrize("answer", READ.values(), ids=READ)
def test_a_response_is_read_however_it_arrives(answer: bytes, way: Way) -> None:
    with serving(lambda connection: way(connection, answer)) as url:
        response = send(url)
    assert (response.status, response.body) == (200, b"hello")
    assert not {"x-a", "x-more"} & set(response.headers)


@pytest.mark.parametrize("way", [whole, bytewise])
@pytest.mark.parametrize("answer", REFUSED.values(), ids=REFUSED)
def test_a_broken_response_is_refused_and_never_quoted(answer: bytes, way: Way) -> None:
    with (
        serving(lambda connection: way(connection, answer)) as url,
        pytest.raises(NoResponseError) as caught,
    ):
        send(url)
    for word in ("hel", "SSH", "X-A", "colon", "OpenSSH"):
        assert word not in str(caught.value)


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"],
    ids=["204", "304"],
)
def test_some_responses_have_no_body(head: bytes) -> None:
    def speak(connection: socket.socket) -> None:
        connection.sendall(head)
        connection.recv(1)

    with serving(speak) as url:
        assert send(url).body == b""


def test_the_first_of_several_headers_counts() -> None:
    answer = LENGTH + b"ETag: one\r\netag: two\r\n\r\nhello"
    with serving(lambda connection: connection.sendall(answer)) as url:
        assert send(url).headers["etag"] == "one"


@pytest.mark.parametrize(
    ("start", "more", "error"),
    [
        (OK, b"X-More: headers\r\n", "headers are too long"),
        (OK + b"X-Long: ", b"x" * 4096, "grew larger than allowed"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", "headers are too long"),
        (CHUNKED + b"\r\n", b"0" * 4096, "receiving data"),
        (CHUNKED + b"\r\n0\r\n", b"X-More: headers\r\n", "headers are too long"),
    ],
    ids=["headers", "one header", "interim responses", "one chunk size", "trailers"],
)
def test_a_flood_outside_the_body_is_refused(start: bytes, more: bytes, error: str) -> None:
    def speak(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(more)

    with serving(speak) as url, pytest.raises(NoResponseError, match=error):
        send(url, timeout_s=60)


@pytest.mark.parametrize(("lines", "is_read"), [(600, True), (700, False)])
def test_a_head_may_have_64_kb(lines: int, is_read: bool) -> None:
    answer = OK + (b"X-A: " + b"b" * 93 + b"\r\n") * lines + b"Content-Length: 5\r\n\r\nhello"
    with serving(lambda connection: connection.sendall(answer)) as url:
        if is_read:
            assert send(url).body == b"hello"
            return
        with pytest.raises(NoResponseError, match="headers are too long"):
            send(url)


JSON = b'{"task_id": "12"}'
IN_CHUNKS = CHUNKED + b"\r\n11\r\n" + JSON + b"\r\n"
GZIP = zlib.compress(JSON, wbits=31)
AS_GZIP = OK + b"Content-Encoding: gzip\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        IN_CHUNKS,
        IN_CHUNKS + b"0\r\n",
        IN_CHUNKS + b"0\r\nX Y\r\n\r\n",
        IN_CHUNKS + b"junk",
        IN_CHUNKS + b"0\r\n" + b"X-More: trailers\r\n" * 9999,
        OK + b"Content-Length: 99\r\n\r\n" + JSON,
        AS_GZIP + b"\r\n" + GZIP[:-8],
        AS_GZIP + b"\r\n" + GZIP + b"junk",
    ],
    ids=[
        "no last chunk",
        "no empty line",
        "a broken trailer",
        "a broken chunk",
        "endless trailers",
        "a length that is too long",
        "no checksum",
        "junk behind gzip",
    ],
)
@pytest.mark.parametrize("has_reset", [False, True])
def test_a_whole_json_body_is_read_though_its_end_is_broken(answer: bytes, has_reset: bool) -> None:
    def speak(connection: socket.socket) -> None:
        connection.sendall(answer)
        if has_reset:
            time.sleep(0.05)  # a reset discards what was not read yet
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with serving(speak) as url:
        assert send(url, method="POST", reuse_connection=False).body == JSON


def test_whole_json_body_without_an_end_is_read() -> None:
    def speak(connection: socket.socket) -> None:
        connection.sendall(IN_CHUNKS)
        connection.recv(1)

    with serving(speak) as url:
        assert send(url, timeout_s=0.3).body == JSON
