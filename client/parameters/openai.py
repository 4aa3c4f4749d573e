# Written by `make client` from the providers' models.
"""The parameters of each model of the account openai."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Required, TypedDict


class OpenaiImagesParams(TypedDict, total=False):
    """Parameters."""

    model: Required[str]
    """The server's name of the model."""
    n: int | None
    """How many images, each paid; default 1."""
    size: str | None
    """`auto`, or in pixels."""
    quality: Literal["auto", "low", "medium", "high", "standard", "hd"] | None
    """The quality of the result; the values differ by model."""
    background: Literal["auto", "transparent", "opaque"] | None
    """Whether the background is transparent."""
    output_format: Literal["png", "jpeg", "webp"] | None
    """The file format of the result."""
    output_compression: int | None
    """The compression of JPEG and WebP, in percent."""
    response_format: Literal["url", "b64_json"] | None
    """How the images are delivered, where the model takes that."""
    extra: Mapping[str, Any]
    """Other parameters of the server, sent as they are."""
    moderation: Literal["auto", "low"] | None
    """How strict the moderation is."""
    style: Literal["vivid", "natural"] | None
    """The style of dall-e-3."""
    mask_url: str | None
    """An image that marks what to change."""
    input_fidelity: Literal["high", "low"] | None
    """How closely to keep to the input images."""


OpenaiImagesKnownParams = OpenaiImagesParams
