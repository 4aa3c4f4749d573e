"""Odd heads: answers with lines that browsers read over, and a strict parser refuses.

An answer that was paid for must not be lost for a header without a colon.
"""

from __future__ import annotations

import re

HEAD_END = re.compile(rb"\r?\n\r?\n")
STATUS_LINE = re.compile(rb"\s*HTTP/1\.(\d)[ \t]+([1-5]\d\d)\b")
HEADER_LINE = re.compile(rb"(?m)^([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*(.*\S)")
LENGTH = re.compile(rb"\d+")
# They may come in several parts; of any other, the first counts.
LISTS = frozenset({b"connection", b"transfer-encoding"})


def mend(received: bytes | bytearray) -> bytes | None:
    """What was received, its head without the lines that make no sense.

    None as long as the head is not whole; raises ValueError for what is none.
    """
    first = STATUS_LINE.match(received)
    if not first:
        if b"\n" in received.lstrip():
            raise ValueError("no head of an answer")
        return None
    end = HEAD_END.search(received, first.end())
    if not end:
        return None
    minor, status = first.groups()
    lines, known = [b"HTTP/1.%d %s OK" % (minor != b"0", status)], set()
    for header in HEADER_LINE.finditer(received, first.end(), end.start()):
        name, value = header[1].lower(), header[2]
        if name == b"content-length":
            length = LENGTH.match(value)
            value = length[0] if length else b""
        if value and (name in LISTS or name not in known):
            lines.append(b"%s: %s" % (name, value))
            known.add(name)
    return b"\r\n".join([*lines, b"", bytes(received[end.end() :])])
