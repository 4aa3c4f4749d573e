"""What a model accepts as an input image, as far as its vendor documents it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

MB = 1024 * 1024

ImageType = Literal["jpeg", "png", "webp", "gif"]


class ImageFacts(NamedTuple):
    """What is known of an image; None or an empty text for what is not."""

    content_type: str
    bytes: int | None = None
    width: int | None = None
    height: int | None = None


class ImageBounds(BaseModel):
    """The bounds of each input image; None or an empty tuple for those that are not documented."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    types: tuple[ImageType, ...] = ()
    max_mb: float | None = None
    min_side: int | None = None
    max_side: int | None = None
    """The sides are in pixels."""
    max_megapixels: float | None = None

    def find_fault(self, image: ImageFacts) -> str:
        """Return what of an image is beyond these bounds, and what to change; empty if nothing."""
        kind = image.content_type.removeprefix("image/")
        if self.types and kind and kind not in self.types:
            return f"is {image.content_type}, and the model takes {self._names}: convert it"
        if self.max_mb and image.bytes and image.bytes > self.max_mb * MB:
            size = f"{image.bytes / MB:.1f} MB"
            return f"has {size}, and the model takes up to {self.max_mb:g} MB: make it smaller"
        if not (image.width and image.height):
            return ""
        size = f"has {image.width} x {image.height} pixels"
        if self.max_side and max(image.width, image.height) > self.max_side:
            return f"{size}, and the model takes sides of up to {self.max_side}: make it smaller"
        if self.min_side and min(image.width, image.height) < self.min_side:
            return f"{size}, and the model takes sides of at least {self.min_side}: enlarge it"
        pixels = image.width * image.height
        if self.max_megapixels and pixels > self.max_megapixels * 1_000_000:
            limit = f"up to {self.max_megapixels:g} megapixels"
            return f"{size}, and the model takes {limit}: make it smaller"
        return ""

    def describe(self) -> str:
        """Return the bounds in words; empty if none is documented."""
        return ", ".join(self._list_words())

    def _list_words(self) -> Iterator[str]:
        if self.types:
            yield self._names
        if self.max_mb:
            yield f"up to {self.max_mb:g} MB"
        if self.max_megapixels:
            yield f"up to {self.max_megapixels:g} megapixels"
        if self.min_side:
            yield f"sides of at least {self.min_side} pixels"
        if self.max_side:
            yield f"sides of up to {self.max_side} pixels"

    @property
    def _names(self) -> str:
        *others, last = (each.upper() for each in self.types)
        return f"{', '.join(others)} or {last}" if others else last
