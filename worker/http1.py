"""HTTP/1.1 on the wire: the bytes of a request, and an answer taken apart as it arrives."""

from __future__ import annotations

import re
from collections.abc import Mapping

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

# Of a head, of the size of a chunk, or of the headers behind a body.
MOST_FRAMING_BYTES = 64 * 1024
NOT_IN_A_HEAD = re.compile(r"[\0\r\n]")
BEFORE_THE_ANSWER = range(100, 200)


class BrokenAnswerError(Exception):
    """What came back is no whole answer; one line without a word of it."""


def request_bytes(
    method: str, target: str, host: str, headers: Mapping[str, str], body: bytes | None
) -> bytes:
    """A whole request; raises ValueError for a header that is none, and does not name it."""
    heads = {"Host": host, **headers}
    if body is not None or method != "GET":
        heads["Content-Length"] = str(len(body or b""))
    if NOT_IN_A_HEAD.search("".join((target, *heads, *heads.values()))):
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
        self._body: list[bytes] = []
        self._parser = HttpResponseParser(self)
        # An answer that was paid for must not be lost for a blank. On servers such leniency lets
        # one user's request hide in another's; here it is one host's answers to one user.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_chunked_length=True,
            lenient_data_after_close=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )

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
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            if not self.is_over:
                raise BrokenAnswerError("the answer is no HTTP") from None
            # What follows it is no answer of ours.
            self.keeps_connection = False
        if in_head and self.status:
            self._measure()
        elif self._body or self.is_over:
            self._framing_bytes = 0
        else:
            self._framing_bytes += len(data)
            if self._framing_bytes > MOST_FRAMING_BYTES:
                raise BrokenAnswerError("the headers of the answer do not end")

    def _measure(self) -> None:
        """Know how long the body is, by what the head says."""
        coding = self.headers.get("transfer-encoding")
        if self.is_over:
            self.left = 0
        elif coding is None and (length := self.headers.get("content-length")):
            self.left = int(length) - sum(map(len, self._body))
        else:
            self._goes_to_the_end = "chunked" not in (coding or "").lower()

    def _end(self) -> None:
        if not (self.is_over or self._goes_to_the_end):
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
            known_as = name.decode("latin-1").strip().lower()
            self.headers.setdefault(known_as, value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """Know the answer's head, unless it is only a sign of life before it."""
        status = self._parser.get_status_code()
        if status in BEFORE_THE_ANSWER:
            self.headers.clear()
        elif not self.status:
            self.status = status
            closes = "close" in self.headers.get("connection", "").lower()
            self.keeps_connection = self._parser.get_http_version() == "1.1" and not closes

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body, out of its chunk."""
        if not self.is_over:
            self._body.append(data)

    def on_message_complete(self) -> None:
        """Know that it is all here."""
        self.is_over = bool(self.status)
