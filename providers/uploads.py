"""What a provider that takes files is: pure functions to an upload, and from its answer."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from .base import Provider
from .wire import Answer, Refused, RefusedForNow


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """One multipart POST that hands over a file; the caller adds the file and the key."""

    path: str
    """Relative to the account's upload URL."""
    fields: dict[str, str]
    file_field: str
    """The name of the part that carries the file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Uploaded:
    """The provider has the file, at a URL that its own jobs can fetch."""

    url: str


# An upload is free: whatever is not settled for good may be sent again.
UploadAnswer = Uploaded | Refused | RefusedForNow


class UploadProvider(Provider):
    """A provider that takes input images as files, before the request that names them."""

    most_upload_bytes: ClassVar[int]
    """How large a file may be."""

    @abstractmethod
    def upload(self, file_name: str) -> Upload:
        """The call that hands a file over; two files must not have the same name."""

    @abstractmethod
    def read_upload(self, answer: Answer) -> UploadAnswer:
        """What the answer to an upload says; raises UnreadableError on an undocumented body."""
