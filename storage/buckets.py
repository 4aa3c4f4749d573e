"""Pictures in a bucket: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`."""

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
from .base import CHUNK_BYTES, UNKNOWN_TYPE, Blob, Storage, StorageError, Temporary, checked

if TYPE_CHECKING:
    from obstore import GetResult
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

VARIABLES = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")

# At most this much of a file is in memory at once, four times.
PART_BYTES = 8 * 1024 * 1024
PARTS_AT_ONCE = 4
# `timeout` spans a whole answer, so it would cut off a slow reader; `read_timeout` ends silence,
# and has to outlast the sending of one part over a slow line.
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

_users: set[int] = set()


class ObjectStorage(Storage):
    """A bucket of any provider that obstore knows; credentials come from the environment."""

    def __init__(self, url: str, scratch: Path) -> None:
        parts = urlsplit(url)
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ConfigError("a storage URL is scheme://bucket/prefix, and no place for secrets")
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
        """Upload the file, which stays where it is, and is durable at once; see Storage."""
        key = checked(name)
        attributes = {"Content-Type": content_type, "sha256": sha256}
        try:
            with self._one_line():
                if self._digest(key) != (os.fstat(file.fileno()).st_size, sha256):
                    obstore.put(
                        self._store,
                        key,
                        # By its name: it is read outside of Python, and by several threads.
                        Path(file.name),
                        attributes=attributes,
                        chunk_size=PART_BYTES,
                        max_concurrency=PARTS_AT_ONCE,
                    )
        except FileNotFoundError:
            raise StorageError(f"{self.url}: there is no such bucket, or no {file.name}") from None
        return self.uri(name)

    def open(self, uri: str, start: int = 0, end: int | None = None) -> Blob:
        """Begin to download an object; a part of one takes a second request; see Storage."""
        key = self._key(uri)
        whole = start == 0 and end is None
        try:
            with self._one_line():
                found = obstore.get(self._store, key, options={"head": not whole})
                size = found.meta["size"]
                end = size if end is None else min(end, size)
                chunks = self._read(found) if whole else self._part(key, start, end)
        except FileNotFoundError:
            raise FileNotFoundError(uri) from None
        return Blob(size, str(found.attributes.get("Content-Type", UNKNOWN_TYPE)), chunks)

    def uri(self, name: str) -> str:
        """The name below the bucket's URL; see Storage."""
        return f"{self.url}/{quote(checked(name))}"

    def _part(self, key: str, start: int, end: int) -> Iterator[bytes]:
        # A server refuses a range that holds nothing.
        if start >= end:
            return iter(())
        return self._read(obstore.get(self._store, key, options={"range": (start, end)}))

    def _read(self, found: GetResult) -> Iterator[bytes]:
        with self._one_line():
            for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)

    def _key(self, uri: str) -> str:
        """The key behind a URI of this bucket and prefix."""
        key = unquote(uri.removeprefix(f"{self.url}/"))
        try:
            if uri.startswith(f"{self.url}/"):
                return checked(key)
        except ValueError:
            pass
        raise FileNotFoundError(uri)

    def _digest(self, key: str) -> tuple[int, object] | None:
        """The size and the SHA-256 of an object, as it was uploaded; None without one."""
        try:
            # `head` would not tell the metadata.
            found = obstore.get(self._store, key, options={"head": True})
        except FileNotFoundError:
            return None
        return found.meta["size"], found.attributes.get("sha256")

    def _remove(self, name: str) -> None:
        with self._one_line():
            obstore.delete(self._store, name)

    @property
    def _store(self) -> ObjectStore:
        """The store, refused where its first request would hang for ever."""
        # The threads below obstore are one set a process, and a fork does not take them along.
        _users.add(os.getpid())
        if len(_users) > 1:
            raise StorageError(f"{self.url}: was used before this process was forked")
        return self._opened

    @cached_property
    def _opened(self) -> ObjectStore:
        http = any(os.environ.get(name, "").startswith("http://") for name in ENDPOINTS)
        client: ClientConfig = {**CLIENT, "allow_http": True} if http else CLIENT
        return from_url(self.url, client_options=client, retry_config=RETRY)

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        """Make a StorageError of any trouble but FileNotFoundError."""
        try:
            yield
        except FileNotFoundError:
            raise
        except (BaseError, OSError, ValueError, NotImplementedError) as error:
            raise StorageError(f"{self.url}: {_said(str(error))}") from None


def _said(text: str) -> str:
    """What to show of an error: pages follow, and what a server answered is not for a log."""
    line = re.sub(r":? *<.*", "", text.partition("\n")[0])
    # The path is ours and long, and the reason stands behind it.
    line = re.sub(r"(https?://[^/\s]+)\S*", r"\1", line)[:300]
    code = re.search(r"<Code>(\w+)</Code>", text)
    return f"{line} ({code[1]})" if code else line
