"""An upload: an image that a caller stored here, for its jobs to start from."""

from __future__ import annotations

import json
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from .image import StoredImage

EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/gif": "gif"}
"""The types that are taken, each with the extension of its files."""


class Upload(BaseModel):
    """An image that jobs may name in `image_urls` until it expires."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(
        description="Name it in `image_urls`.", examples=["upload_01KAJ6WRX0M9S3H1V5T7Q2Z4CD"]
    )
    content_type: str
    bytes: int
    width: int
    height: int
    expires_at: datetime = Field(description="Until when a job may start from it.")
    submitted_by: str = Field("", exclude=True)
    sha256: str = Field("", exclude=True)
    """The digest of its bytes; empty in records of earlier versions."""

    @property
    def name(self) -> str:
        """Its name in the storage."""
        return f"uploads/{self.id}.{EXTENSIONS[self.content_type]}"

    def to_stored(self) -> StoredImage:
        """Return what a provider is handed."""
        return StoredImage(self.name, self.content_type, self.bytes, self.width, self.height)

    def dump(self) -> str:
        """Return the record of the upload, as JSON."""
        hidden = {"submitted_by": self.submitted_by, "sha256": self.sha256}
        return json.dumps({**self.model_dump(mode="json"), **hidden})
