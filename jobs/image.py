"""The images of a job, and the error of a job that has none."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from ..providers.image_bounds import ImageFacts
from .state import Reason

# How the URI of an image ends in records without its name, wherever its storage was.
_NAME = re.compile(r"(?:\A|/)(job_\w+/\d+\.\w+)\Z", re.ASCII)


UNKNOWN_TYPE = "application/octet-stream"


class Value(BaseModel):
    """An immutable value with named fields."""

    # Its JSON has every field, so its schema says so: generated clients need no checks.
    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class JobError(Value):
    """Why a job failed or could not be saved, with the provider's own code and message."""

    reason: Reason | None = Field(
        None, description="Null while saving the images may be tried again."
    )
    code: str = Field("", description="The provider's own code.")
    message: str = Field("", description="The provider's own words.")


class Image(Value):
    """One image or video of a job: its URL at the provider, and where it is stored."""

    index: int
    kind: Literal["result", "origin"] = "result"
    source_url: str = Field(
        description="The provider's URL, which expires at `expires_at`; `inline:` and a digest "
        "if its response held the image itself."
    )
    expires_at: datetime
    state: Literal["pending", "stored", "expired", "skipped"] = "pending"
    attempts: int = Field(0, exclude=True)
    saved_at: datetime | None = Field(None, exclude=True)
    # Records of earlier versions have the second name.
    refreshed_url: str | None = Field(
        None, exclude=True, validation_alias=AliasChoices("refreshed_url", "renewed_url")
    )
    """The URL that replaced `source_url`, if the provider was asked for a fresh one."""
    error: str | None = Field(None, description="Why the last attempt to save it failed.")
    name: str | None = Field(None, description="The name of the file in the storage.")
    uri: str | None = Field(None, description="Where the file is stored.")
    sha256: str | None = None
    bytes: int | None = None
    ignored_bytes: int | None = Field(
        None, description="Bytes behind the end of the image; they are stored, and not shown."
    )
    content_type: str | None = None
    width: int | None = None
    height: int | None = None


Place = int | str
"""Where a request names an image: a place in `image_urls`, or the name of a parameter."""


class StoredImage(NamedTuple):
    """An image of our storage that a job starts from: the provider has to be handed it."""

    name: str
    """Its name in the storage."""
    content_type: str
    bytes: int
    width: int | None = None
    height: int | None = None

    @property
    def facts(self) -> ImageFacts:
        """What is known of it."""
        kind = "" if self.content_type == UNKNOWN_TYPE else self.content_type
        return ImageFacts(kind, self.bytes, self.width, self.height)


def split_images(images: Iterable[Image]) -> dict[str, Any]:
    """Return the fields of a job with these images, which are its results and its origins."""
    kinds: dict[str, list[Image]] = {"result": [], "origin": []}
    for image in images:
        kinds[image.kind].append(image)
    return {"images": tuple(kinds["result"]), "origins": tuple(kinds["origin"])}


def find_image_name(uri: str) -> str | None:
    """Return the name that an early record gives an image by its URI, such as `job_01.../0.png`."""
    found = _NAME.search(uri)
    return found[1] if found else None


def to_image_uri(images_url: str, name: str) -> str:
    """Return where the storage at `images_url` has an image; without a URL, its name."""
    return f"{images_url.rstrip('/')}/{quote(name)}" if images_url else name
