"""Content encodings of HTTP responses: decoded, passed on, or refused when they are incomplete."""

import zlib

import pytest

from imagequeue.worker.http.errors import NoResponseError
from support.http_servers import bytewise, send, serving

OK = b"HTTP/1.1 200 OK\r\n"
AS_GZIP = OK + b"Content-Encoding: gzip\r\n"
JSON = b'{"task_id": "12"}'
GZIP = zlib.compress(JSON, wbits=31)
HELLO = b"hello" * 100_000
TWO_MEMBERS = zlib.compress(HELLO[:9], wbits=31) + zlib.compress(HELLO[9:], wbits=31)


@pytest.mark.parametrize(
    ("codings", "body"),
    [
        ("gzip", zlib.compress(HELLO, wbits=31)),
        ("GZIP, aws-chunked", zlib.compress(HELLO, wbits=31)),
        ("gzip", zlib.compress(HELLO, wbits=15)),
        ("deflate", zlib.compress(HELLO, wbits=15)),
        ("deflate", zlib.compress(HELLO, wbits=-15)),
        ("x-gzip", zlib.compress(HELLO, wbits=31)),
        ("gzip", TWO_MEMBERS),
        ("gzip", HELLO),
        ("aws-chunked", HELLO),
        ("utf-8", HELLO),
        ("identity", HELLO),
        ("", HELLO),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"Accept-Encoding": "identity"}], ids=["any", "identity"])
def test_a_body_is_decoded_or_passed_on(codings: str, body: bytes, headers: dict[str, str]) -> None:
    head = f"Content-Encoding: {codings}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with serving(lambda connection: connection.sendall(OK + head + body)) as url:
        assert send(url, headers=headers).body == HELLO


def test_an_encoded_body_is_decoded_byte_by_byte() -> None:
    with serving(lambda connection: bytewise(connection, AS_GZIP + b"\r\n" + GZIP * 2)) as url:
        assert send(url).body == JSON * 2


@pytest.mark.parametrize(
    "body",
    [b"\x1f\x8bxxxxxxxx", b"\x1f", TWO_MEMBERS[:-9], TWO_MEMBERS[:-1], TWO_MEMBERS + b"junk"],
    ids=["a broken head", "half a head", "half a body", "half a checksum", "junk behind it"],
)
def test_a_body_that_cannot_be_decoded_is_refused(body: bytes) -> None:
    answer = AS_GZIP + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    with (
        serving(lambda connection: connection.sendall(answer)) as url,
        pytest.raises(NoResponseError, match=r"decoded|incomplete"),
    ):
        send(url)
