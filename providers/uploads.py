"""What a provider that accepts files is: pure functions for an upload and its response."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from .account import UploadAccount
from .base import Provider
from .wire import ProviderResponse, Refused, RetryLater


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadRequest:
    """One multipart POST of a file; the caller adds the file and the key."""

    path: str
    """Relative to the account's upload URL."""
    fields: dict[str, str]
    file_field: str
    """The name of the part that carries the file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Uploaded:
    """The provider has the file, at a URL that its own jobs can fetch."""

    url: str


# An upload is free, so a temporary failure may be sent again.
UploadOutcome = Uploaded | Refused | RetryLater


class UploadProvider(Provider):
    """A provider that accepts input images as files, before the request that names them."""

    account: ClassVar[type[UploadAccount]]
    max_upload_bytes: ClassVar[int]
    """The largest file that is accepted."""

    @abstractmethod
    def build_upload_request(self, file_name: str) -> UploadRequest:
        """Build the upload of a file; two files must not have the same name."""

    @abstractmethod
    def parse_upload_response(self, response: ProviderResponse) -> UploadOutcome:
        """Return what the upload led to; raises MalformedResponseError on an undocumented body."""
