"""Images in a bucket: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from ..errors import ConfigError
from .base import (
    CHUNK_BYTES,
    UNKNOWN_TYPE,
    Blob,
    Storage,
    StorageError,
    Temporary,
    require_safe_name,
)

if TYPE_CHECKING:
    from obstore import GetResult
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

VARIABLES = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")

# An upload holds PART_BYTES times MAX_CONCURRENT_PARTS in memory.
PART_BYTES = 8 * 1024 * 1024
MAX_CONCURRENT_PARTS = 4
# `timeout` spans a whole response, so a short one would cut off a slow reader. `read_timeout`
# ends silence, and has to outlast the upload of one part over a slow line.
CLIENT: ClientConfig = {"connect_timeout": "5s", "read_timeout": "120s", "timeout": "6h"}
RETRY: RetryConfig = {
    "max_retries": 4,
    "retry_timeout": timedelta(seconds=60),
    "backoff": {
        "init_backoff": timedelta(milliseconds=200),
        "max_backoff": timedelta(seconds=5),
        "base": 2,
    },
}

# The process ids that used obstore in this process and those it was forked from.
_user_pids: set[int] = set()


class BucketStorage(Storage):
    """Stores images in a bucket through obstore; credentials come from the environment."""

    survives_fork = False

    def __init__(self, url: str, scratch: Path) -> None:
        parts = urlsplit(url)
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ConfigError("a storage URL is scheme://bucket/prefix and must not hold secrets")
        super().__init__(url.rstrip("/"), scratch)
        self.remedy = f"does that bucket exist, and are {VARIABLES[parts.scheme]} right for it?"

    def put(
        self,
        name: str,
        file: Temporary,
        *,
        content_type: str,
        sha256: str,
        more_follows: bool = False,
    ) -> str:
        """Upload the file; it is durable at once, and its local copy stays. See Storage."""
        key = require_safe_name(name)
        attributes = {"Content-Type": content_type, "sha256": sha256}
        try:
            with self._map_errors():
                if self._get_fingerprint(key) != (os.fstat(file.fileno()).st_size, sha256):
                    obstore.put(
                        self._store,
                        key,
                        # By its name, because several threads outside Python read it.
                        Path(file.name),
                        attributes=attributes,
                        chunk_size=PART_BYTES,
                        max_concurrency=MAX_CONCURRENT_PARTS,
                    )
        except FileNotFoundError:
            raise StorageError(f"{self.url}: there is no such bucket, or no {file.name}") from None
        return self.uri(name)

    def open(self, uri: str, start: int = 0, end: int | None = None) -> Blob:
        """Start to download an object; a range takes a second request. See Storage."""
        key = self._parse_uri(uri)
        whole = start == 0 and end is None
        try:
            with self._map_errors():
                found = obstore.get(self._store, key, options={"head": not whole})
                size = found.meta["size"]
                end = size if end is None else min(end, size)
                chunks = self._iter_bytes(found) if whole else self._iter_range(key, start, end)
        except FileNotFoundError:
            raise FileNotFoundError(uri) from None
        return Blob(size, str(found.attributes.get("Content-Type", UNKNOWN_TYPE)), chunks)

    def uri(self, name: str) -> str:
        """Return the name below the bucket's URL; see Storage."""
        return f"{self.url}/{quote(require_safe_name(name))}"

    def is_free(self, name: str) -> bool:
        """Ask for the object; see Storage."""
        with self._map_errors():
            return self._get_fingerprint(require_safe_name(name)) is None

    def _iter_range(self, key: str, start: int, end: int) -> Iterator[bytes]:
        # Servers refuse an empty range.
        if start >= end:
            return iter(())
        return self._iter_bytes(obstore.get(self._store, key, options={"range": (start, end)}))

    def _iter_bytes(self, found: GetResult) -> Iterator[bytes]:
        with self._map_errors():
            for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)

    def _parse_uri(self, uri: str) -> str:
        """Return the key of a URI; raises FileNotFoundError outside this bucket and prefix."""
        key = unquote(uri.removeprefix(f"{self.url}/"))
        try:
            if uri.startswith(f"{self.url}/"):
                return require_safe_name(key)
        except ValueError:
            pass
        raise FileNotFoundError(uri)

    def _get_fingerprint(self, key: str) -> tuple[int, object] | None:
        """Return size and SHA-256 of a stored object, as it was uploaded; None if it is absent."""
        try:
            # obstore.head() does not return the attributes.
            found = obstore.get(self._store, key, options={"head": True})
        except FileNotFoundError:
            return None
        return found.meta["size"], found.attributes.get("sha256")

    def _remove(self, name: str) -> None:
        with self._map_errors():
            obstore.delete(self._store, name)

    @property
    def _store(self) -> ObjectStore:
        """Return the store; raises StorageError in a forked process, where requests would hang."""
        # obstore runs one set of threads a process, and a fork does not copy threads.
        _user_pids.add(os.getpid())
        if len(_user_pids) > 1:
            raise StorageError(f"{self.url}: was used before this process was forked")
        return self._opened

    @cached_property
    def _opened(self) -> ObjectStore:
        http = any(os.environ.get(name, "").startswith("http://") for name in ENDPOINTS)
        client: ClientConfig = {**CLIENT, "allow_http": True} if http else CLIENT
        return from_url(self.url, client_options=client, retry_config=RETRY)

    @contextmanager
    def _map_errors(self) -> Iterator[None]:
        """Turn every error except FileNotFoundError into a StorageError of one line."""
        try:
            yield
        except FileNotFoundError:
            raise
        except (BaseError, OSError, ValueError, NotImplementedError) as error:
            raise StorageError(f"{self.url}: {_format_error(str(error))}") from None


def _format_error(text: str) -> str:
    """Return the first line of an error, without the body of the server's response."""
    line = re.sub(r":? *<.*", "", text.partition("\n")[0])
    # The path is long and known, and the reason comes after it.
    line = re.sub(r"(https?://[^/\s]+)\S*", r"\1", line)[:300]
    code = re.search(r"<Code>(\w+)</Code>", text)
    return f"{line} ({code[1]})" if code else line
