"""Image storage: a folder, or a bucket of S3, Google Cloud or Azure."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from ..errors import ConfigError
from .base import Blob, Storage, StorageError, Temporary
from .files import FileStorage

__all__ = ["Blob", "FileStorage", "Storage", "StorageError", "Temporary", "open_storage"]


def open_storage(url: str, scratch: Path) -> Storage:
    """Return the storage that a URL names; raises ConfigError.

    `scratch` is the local folder for temporary files. A `file://` storage uses its own instead.
    """
    scheme = urlsplit(url).scheme
    if scheme == "file":
        return FileStorage(url)
    if scheme not in ("s3", "gs", "az"):
        raise ConfigError(f"unknown storage {scheme}: use file://, s3://, gs:// or az://")
    # Imported late: it loads megabytes of machine code that a folder does not need.
    from .buckets import BucketStorage

    return BucketStorage(url, scratch)
