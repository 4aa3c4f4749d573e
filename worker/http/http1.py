"""HTTP/1.1 on the wire: the bytes of a request, and an answer taken apart as it arrives."""

from __future__ import annotations

import re
from collections.abc import Mapping

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from .odd_heads import mend

# Of a head, of the size of a chunk, or of the headers behind a body.
MAX_FRAMING_BYTES = 64 * 1024
NOT_IN_A_HEAD = re.compile(r"[\0\r\n]")
# Headers that may come in several parts.
LISTS = frozenset({"connection", "transfer-encoding"})


class BrokenAnswerError(Exception):
    """What came back is no whole answer; one line without a word of it."""


def request_bytes(
    method: str, target: str, host: str, headers: Mapping[str, str], body: bytes | None
) -> bytes:
    """A whole request; raises ValueError for a header that is none, and does not name it."""
    heads = {"Host": host, **headers}
    if body is not None or method != "GET":
        heads["Content-Length"] = str(len(body or b""))
    if NOT_IN_A_HEAD.search("".join((method, target, *heads, *heads.values()))):
        raise ValueError("a line break in a header")
    lines = [f"{name}: {value}\r\n" for name, value in heads.items()]
    head = f"{method} {target} HTTP/1.1\r\n{''.join(lines)}\r\n"
    return head.encode("latin-1") + (body or b"")


class Incoming:
    """An answer that is fed with what was received."""

    def __init__(self) -> None:
        self.status = 0
        """Its status; 0 as long as its head is not here."""
        self.headers: dict[str, str] = {}
        """By their names in lower case; of several with one name, the first."""
        self.left: int | None = None
        """So many bytes of its body are still to come, and need not be fed; None: feed them."""
        self.is_over = False
        """Whether all of it is here."""
        self.keeps_connection = False
        """Whether another exchange may follow on its connection."""
        self._goes_to_the_end = False
        self._framing_bytes = 0
        """How much came since the last of the body, or since the start."""
        self._head = bytearray()
        """What came as long as the head is not here."""
        self._tail = b""
        """The latest that came of a body in chunks."""
        self._chunk_is_empty = False
        """Whether a chunk has begun and nothing of it is here."""
        self._body: list[bytes] = []
        self._parser: HttpResponseParser | None = self._new_parser()

    def _new_parser(self) -> HttpResponseParser:
        parser = HttpResponseParser(self)
        # An answer that was paid for must not be lost for a blank. On servers such leniency lets
        # one user's request hide in another's; here it is one host's answers to one user.
        parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_chunked_length=True,
            lenient_keep_alive=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )
        return parser

    def feed(self, data: memoryview) -> bytes:
        """Take what was received, nothing at its end; returns what there is of the body in it.

        Raises BrokenAnswerError.
        """
        if not data:
            self._end()
        elif not self.is_over:
            self._parse(data)
        body = b"".join(self._body)
        self._body.clear()
        return body

    def _parse(self, data: memoryview) -> None:
        in_head = not self.status
        if in_head:
            self._head += data
        try:
            if self._parser:
                self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._refused()
        if in_head and not (self.status or self._parser):
            self._mend()
        if in_head and self.status:
            self._measure()
        self._tail = (self._tail + bytes(data[-5:]))[-5:]
        if self._body or self.is_over or (in_head and self.status):
            self._framing_bytes = 0
        else:
            self._framing_bytes += len(data)
            if self._framing_bytes > MAX_FRAMING_BYTES:
                raise BrokenAnswerError("the headers of the answer do not end")

    def _refused(self) -> None:
        """The parser reads no further."""
        self.keeps_connection = False
        if not self.status:
            # What it is too strict for may still be read.
            self._parser = None
        elif self._chunk_is_empty:
            # That was the last one; what is wrong is a header behind the body.
            self.is_over = True
        elif not self.is_over:
            raise BrokenAnswerError("the answer is no HTTP")

    def _mend(self) -> None:
        """Read what the parser was too strict for, once all of the head is here."""
        try:
            if mended := mend(self._head):
                self._parser = self._new_parser()
                self._parser.feed_data(mended)
        except (ValueError, HttpParserError, HttpParserUpgrade):
            raise BrokenAnswerError("the answer is no HTTP") from None

    def _measure(self) -> None:
        """Know how long the body is, by what the head says."""
        coding = self.headers.get("transfer-encoding", "").lower()
        length = self.headers.get("content-length")
        if self.is_over:
            self.left = 0
        elif coding in ("", "identity") and length:
            self.left = int(length) - sum(map(len, self._body))
        else:
            self._goes_to_the_end = not coding.endswith("chunked")

    def _end(self) -> None:
        # Some servers leave out the empty line behind the last chunk.
        last_chunk = self._chunk_is_empty and self._tail == b"\r\n0\r\n"
        if not (self.is_over or self._goes_to_the_end or last_chunk):
            raise BrokenAnswerError("the answer breaks off")
        self.is_over, self.keeps_connection = True, False

    # Called by the parser:

    def on_message_begin(self) -> None:
        """Note an answer behind ours, to a question that nobody asked."""
        if self.is_over:
            self.keeps_connection = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header of the head; there are some behind a body as well."""
        if not self.status:
            known_as, says = name.decode("latin-1").strip().lower(), value.decode("latin-1")
            before = self.headers.setdefault(known_as, says)
            if before is not says and known_as in LISTS:
                self.headers[known_as] = f"{before}, {says}"

    def on_headers_complete(self) -> None:
        """Know the answer's head, unless it is only a sign of life before it."""
        if self.status or not self._parser:
            return
        status = self._parser.get_status_code()
        if status < 100:
            raise ValueError("no status")
        if status < 200:
            self.headers.clear()
            return
        self.status = status
        closes = "close" in self.headers.get("connection", "").lower()
        self.keeps_connection = self._parser.get_http_version() == "1.1" and not closes

    def on_chunk_header(self) -> None:
        """Note the size of a chunk, which is nothing for the last."""
        self._chunk_is_empty = True

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body, out of its chunk."""
        self._chunk_is_empty = False
        if self.status and not self.is_over:
            self._body.append(data)

    def on_message_complete(self) -> None:
        """Know that it is all here."""
        self.is_over = bool(self.status)
