"""Where pictures are kept: a folder, or a bucket of S3, Google Cloud or Azure."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from ..errors import ConfigError
from .base import Blob, Storage, StorageError, Temporary
from .files import FileStorage

__all__ = ["Blob", "Storage", "StorageError", "Temporary", "open_storage"]


def open_storage(url: str, scratch: Path) -> Storage:
    """The storage behind a URL; a folder has a scratch of its own. Raises ConfigError."""
    scheme = urlsplit(url).scheme
    if scheme == "file":
        return FileStorage(url)
    if scheme not in ("s3", "gs", "az"):
        raise ConfigError(f"no storage for {scheme}: write file://, s3://, gs:// or az://")
    # Megabytes of machine code, which whoever keeps pictures in a folder need not load.
    from .buckets import ObjectStorage

    return ObjectStorage(url, scratch)
