"""HTTP/1.1 on the wire: what a request says, and what is read out of an answer."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagequeue.worker.http.http1 import BrokenAnswerError, Incoming, request_bytes

OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = OK + b"Content-Length: 5\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n"


def read(parts: Iterable[bytes]) -> tuple[Incoming, bytes]:
    """The answer, read as a connection's owner does, to the last of the parts."""
    incoming, body = Incoming(), b""
    for part in parts:
        if incoming.left is None:
            body += incoming.feed(memoryview(part))
        else:
            body += part[: incoming.left]
            incoming.left -= len(part[: incoming.left])
    return incoming, body


BODIES = {
    "length": (LENGTH + b"\r\nhello", True),
    "length 0": (OK + b"Content-Length: 0\r\n\r\n", True),
    "blank before the colon": (OK + b"Content-Length : 5\r\n\r\nhello", True),
    "no CR": (b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", True),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", True),
    "a folded header": (LENGTH + b"X-Long: a\r\n b\r\n\r\nhello", True),
    "an odd header": (LENGTH + b"X-Odd: \xff\x01\r\n\r\nhello", True),
    "upgrade offered": (
        LENGTH + b"Upgrade: h2\r\nConnection: Upgrade, Keep-Alive\r\n\r\nhello",
        True,
    ),
    "close": (LENGTH + b"Connection: close\r\n\r\nhello", False),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", False),
    "chunked": (CHUNKED + b"\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n", True),
    "chunked, with trailers": (CHUNKED + b"\r\n5\r\nhello\r\n0\r\nX-More: a\r\n\r\n", True),
    "chunked, with a length as well": (
        LENGTH + CHUNKED[17:] + b"\r\n5\r\nhello\r\n0\r\n\r\n",
        True,
    ),
    "no empty line behind the last chunk": (CHUNKED + b"\r\n5\r\nhello\r\n0\r\n", False),
    "a broken trailer": (CHUNKED + b"\r\n5\r\nhello\r\n0\r\nX Y\r\n\r\n", False),
    "the length twice": (LENGTH + LENGTH[len(OK) :] + b"\r\nhello", True),
    "the length twice in one": (OK + b"Content-Length: 5, 5\r\n\r\nhello", True),
    "no colon": (LENGTH + b"no colon\r\n\r\nhello", True),
    "no name": (LENGTH + b": nothing\r\n\r\nhello", True),
    "a name that is none": (LENGTH + b"X (Y): z\r\n\r\nhello", True),
    "blanks in the first line": (b"HTTP/1.1  200  OK\r\n" + LENGTH[len(OK) :] + b"\r\nhello", True),
    "HTTP/1.0, and no colon": (b"HTTP/1.0" + LENGTH[8:] + b"no colon\r\n\r\nhello", False),
    "HTTP/1.2": (b"HTTP/1.2" + LENGTH[8:] + b"\r\nhello", True),
    "no coding": (LENGTH + b"Transfer-Encoding:\r\n\r\nhello", True),
    "identity": (LENGTH + b"Transfer-Encoding: identity\r\n\r\nhello", True),
    "a last sign of life": (
        b"HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\n" + LENGTH + b"\r\nhello",
        True,
    ),
    "to the end": (OK + b"\r\nhello", False),
    "a length that is none": (OK + b"Content-Length: -5\r\n\r\nhello", False),
    "signs of life before": (
        b"HTTP/1.1 100 Continue\r\nX-A: b\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n"
        + LENGTH
        + b"\r\nhello",
        True,
    ),
}


@pytest.mark.parametrize(("answer", "keeps"), BODIES.values(), ids=BODIES)
@given(data=st.data())
def test_however_an_answer_arrives_the_same_is_read(
    data: st.DataObject, answer: bytes, keeps: bool
) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(answer) - 1), max_size=8)))
    parts = [answer[start:end] for start, end in pairwise([0, *cuts, len(answer)])]
    incoming, body = read(parts)
    assert incoming.status == 200
    assert "x-a" not in incoming.headers
    assert "x-more" not in incoming.headers
    if not incoming.is_over and incoming.left is None:
        assert incoming.feed(memoryview(b"")) == b""
    assert incoming.is_over or incoming.left == 0
    assert body == (b"" if b"Length: 0" in answer else b"hello")
    assert incoming.keeps_connection is keeps


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"],
    ids=["204", "304"],
)
def test_some_answers_have_no_body(head: bytes) -> None:
    incoming, body = read([head])
    assert (incoming.is_over, incoming.left, body) == (True, 0, b"")


BROKEN = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "another version": b"HTTP/2 200\r\nContent-Length: 5\r\n\r\nhello",
    "half a head": LENGTH,
    "half a chunk": CHUNKED + b"\r\n5\r\nhel",
    "no last chunk": CHUNKED + b"\r\n5\r\nhello\r\n",
    "half a last chunk": CHUNKED + b"\r\n5\r\nhello\r\n10\r\n",
    "status 000": b"HTTP/1.1 000 X\r\nContent-Length: 5\r\n\r\nhello",
    "half an odd head": LENGTH + b"no colon\r\nX-A: b\r\n",
    "chunks that are none": CHUNKED + b"\r\nhello",
    "two codings, cut": OK
    + b"Transfer-Encoding: identity\r\n"
    + CHUNKED[len(OK) :]
    + b"\r\n5\r\nhel",
    "another protocol": b"HTTP/1.1 101 Switching\r\nUpgrade: h2\r\nConnection: Upgrade\r\n\r\nPRI",
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_what_is_no_whole_answer_is_refused_without_a_word_of_it(answer: bytes) -> None:
    with pytest.raises(BrokenAnswerError) as caught:
        read([answer, b""])
    assert str(caught.value) in ("the answer breaks off", "the answer is no HTTP")


@pytest.mark.parametrize(
    "more",
    [
        b"junk",
        b"HTTP/1.1 404 Not Found\r\nX-A: b\r\n\r\nbye",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_what_stands_behind_an_answer_is_no_part_of_it(more: bytes) -> None:
    incoming, body = read([LENGTH + b"\r\nhello" + more])
    assert (incoming.status, body, incoming.keeps_connection) == (200, b"hello", False)
    assert incoming.headers == {"content-length": "5"}


def test_the_first_of_several_headers_counts() -> None:
    incoming, _ = read([LENGTH + b"ETag: one\r\netag: two\r\n\r\n"])
    assert incoming.headers["etag"] == "one"


def test_a_request_is_one_piece() -> None:
    headers = {"Accept": "*/*", "X-Name": "caf\xe9"}
    assert request_bytes("POST", "/a?b", "host:81", headers, b"{}") == (
        b"POST /a?b HTTP/1.1\r\nHost: host:81\r\nAccept: */*\r\nX-Name: caf\xe9\r\n"
        b"Content-Length: 2\r\n\r\n{}"
    )
    assert b"Content-Length: 0\r\n" in request_bytes("POST", "/", "host", {}, None)
    assert request_bytes("GET", "/", "host", {}, None) == b"GET / HTTP/1.1\r\nHost: host\r\n\r\n"


@pytest.mark.parametrize("odd", ["a\r\nX-More: b", "a\nb", "a\rb", "a\0b", "日本"])
def test_a_header_that_is_none_is_refused(odd: str) -> None:
    for target, headers in (("/", {"X-A": odd}), ("/", {odd: "a"}), (odd, {})):
        with pytest.raises(ValueError, match=r"header|codec"):
            request_bytes("GET", target, "host", headers, None)
