"""Content codings: gzip and deflate are decoded here, because libcurl refuses any it lacks."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from .errors import NoResponseError

MAX_PIECE_BYTES = 64 * 1024
GZIP_OR_ZLIB, RAW_DEFLATE = 47, -15  # as zlib's wbits


class Decoder:
    """Decodes a body in bounded pieces; passes on what is not encoded or has another coding."""

    def __init__(self, codings: str) -> None:
        names = {name.strip() for name in codings.lower().split(",")}
        self._is_deflate = "deflate" in names
        self._is_undecided = bool(names & {"gzip", "x-gzip", "deflate"})
        self._stream = zlib.decompressobj(GZIP_OR_ZLIB)
        self._is_encoded = False

    def decode(self, piece: bytes) -> Iterator[bytes]:
        """Yield what a piece holds; raises NoResponseError if it cannot be decoded."""
        if self._is_undecided:
            self._is_undecided = False
            # Some hosts declare a coding that the body does not have, or deflate without zlib.
            has_header = piece.startswith((b"\x1f", b"\x78"))
            self._is_encoded = has_header or self._is_deflate
            if not has_header:
                self._stream = zlib.decompressobj(RAW_DEFLATE)
        if not self._is_encoded:
            yield piece
            return
        try:
            while piece:
                if self._stream.eof:
                    self._stream = zlib.decompressobj(31)  # the next gzip member
                while decoded := self._stream.decompress(piece, MAX_PIECE_BYTES):
                    yield decoded
                    piece = self._stream.unconsumed_tail
                piece = self._stream.unused_data
        except zlib.error:
            raise NoResponseError("the response body cannot be decoded") from None

    def is_complete(self) -> bool:
        """Return whether the body may end here."""
        return self._stream.eof or not self._is_encoded
