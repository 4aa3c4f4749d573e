"""Read input images from our storage."""

from __future__ import annotations

from ...jobs.image import StoredImage
from ...storage import StorageError
from ..context import Context


class InputError(Exception):
    """An input image cannot be used; `is_lasting`: another try would not change that."""

    def __init__(self, message: str, *, is_lasting: bool) -> None:
        super().__init__(message)
        self.is_lasting = is_lasting


def read_stored(ctx: Context, image: StoredImage, max_bytes: int) -> bytes:
    """Return the bytes of a stored image; raises InputError."""
    try:
        blob = ctx.storage.open(ctx.storage.uri(image.name))
        if blob.size > max_bytes:
            words = f"an input image has {blob.size} bytes, and {max_bytes} are left for it"
            raise InputError(words, is_lasting=True)
        return b"".join(blob.chunks)
    except FileNotFoundError:
        words = f"the input image {image.name} is not in the storage any more"
        raise InputError(words, is_lasting=True) from None
    except StorageError as error:
        raise InputError(str(error), is_lasting=False) from None
