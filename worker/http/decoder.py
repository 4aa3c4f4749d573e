"""Content codings: gzip and deflate are decoded here, because libcurl refuses any it lacks."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from .errors import NoResponseError

MAX_PIECE_BYTES = 64 * 1024
GZIP_OR_ZLIB, GZIP, RAW_DEFLATE = 47, 31, -15  # as zlib's wbits


class Decoder:
    """Decodes a body in bounded pieces; passes on what is not encoded or has another coding."""

    def __init__(self, codings: str) -> None:
        names = {name.strip() for name in codings.lower().split(",")}
        self._undecided = names & {"gzip", "x-gzip", "deflate"}
        self._is_encoded = False
        self._stream = zlib.decompressobj(GZIP_OR_ZLIB)

    def decode(self, piece: bytes) -> Iterable[bytes]:
        """Return what a piece holds; raises NoResponseError if it cannot be decoded."""
        if self._undecided:
            # Some hosts declare a coding that the body does not have, or deflate without zlib.
            has_header = piece.startswith((b"\x1f", b"\x78"))
            self._is_encoded = has_header or "deflate" in self._undecided
            if not has_header:
                self._stream = zlib.decompressobj(RAW_DEFLATE)
            self._undecided = set()
        return self._inflate(piece) if self._is_encoded else (piece,)

    def _inflate(self, piece: bytes) -> Iterator[bytes]:
        try:
            while piece:
                if self._stream.eof:
                    self._stream = zlib.decompressobj(GZIP)  # the next member
                while decoded := self._stream.decompress(piece, MAX_PIECE_BYTES):
                    yield decoded
                    piece = self._stream.unconsumed_tail
                piece = self._stream.unused_data
        except zlib.error:
            raise NoResponseError("the response body cannot be decoded") from None

    def is_complete(self) -> bool:
        """Return whether the body may end here."""
        return self._stream.eof or not self._is_encoded
