# Written by `make client` from the providers' models.
"""The parameters of each model of the account acedata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Required, TypedDict


class AcedataFluxParams(TypedDict, total=False):
    """Parameters."""

    model: (
        Literal[
            "flux-dev",
            "flux-pro",
            "flux-kontext-pro",
            "flux-kontext-max",
            "flux-2-flex",
            "flux-2-pro",
            "flux-2-max",
            "flux-2-klein",
        ]
        | Literal["flux-kontext-pro", "flux-kontext-max"]
    )
    """The Flux model; only these two edit."""
    size: (
        Literal[
            "1024x1024",
            "1024x1792",
            "1792x1024",
            "21:9",
            "16:9",
            "4:3",
            "3:2",
            "1:1",
            "2:3",
            "3:4",
            "9:16",
            "9:21",
        ]
        | None
        | Literal["21:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "9:21"]
        | None
    )
    """The ratio of the result."""
    count: int | None
    """How many images, each paid; default 1."""


AcedataFluxKnownParams = AcedataFluxParams


class AcedataFluxDev(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["flux-dev"] | Literal["flux-pro"] | Literal["flux-2-klein"]]
    count: int | None
    """How many images, each paid."""
    size: (
        Literal[
            "1024x1024",
            "1024x1792",
            "1792x1024",
            "21:9",
            "16:9",
            "4:3",
            "3:2",
            "1:1",
            "2:3",
            "3:4",
            "9:16",
            "9:21",
        ]
        | None
    )
    """The shape or the size of the result."""


class AcedataFluxKontextPro(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["flux-kontext-pro"] | Literal["flux-kontext-max"]]
    count: int | None
    """How many images, each paid."""
    size: Literal["21:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "9:21"] | None
    """The shape or the size of the result."""


class AcedataFlux2Flex(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["flux-2-flex"] | Literal["flux-2-pro"] | Literal["flux-2-max"]]
    count: int | None
    """How many images, each paid."""
    size: Required[
        Literal[
            "1024x1024",
            "1024x1792",
            "1792x1024",
            "21:9",
            "16:9",
            "4:3",
            "3:2",
            "1:1",
            "2:3",
            "3:4",
            "9:16",
            "9:21",
        ]
    ]
    """The shape or the size of the result."""


class AcedataNanoBanana(TypedDict, total=False):
    """Parameters."""

    model: Required[
        Literal["nano-banana"]
        | Literal["nano-banana-2-lite"]
        | Literal["nano-banana-2"]
        | Literal["nano-banana-pro"]
        | Literal["nano-banana:official"]
        | Literal["nano-banana-2-lite:official"]
        | Literal["nano-banana-2:official"]
        | Literal["nano-banana-pro:official"]
    ]
    count: int | None
    """How many images, each paid."""
    aspect_ratio: Literal["1:1", "3:2", "2:3", "16:9", "9:16", "4:3", "3:4"] | None
    """Width to height; an edit may keep that of its first image."""
    resolution: Literal["1K", "2K", "4K"] | None
    """The size of the result."""


class AcedataDoubaoSeedream50Pro260628(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["doubao-seedream-5-0-pro-260628"]]
    """Seedream 5.0 Pro"""
    size: str | None
    """The shape or the size of the result."""
    watermark: bool | None
    """Whether the image has a watermark."""
    optimize_prompt_options: Mapping[str, Any] | None
    """How the prompt is improved, such as {"mode": "fast"}."""
    output_format: Literal["jpeg", "png"] | None
    """The file format of the result."""
    background: Literal["opaque", "transparent"] | None
    """Whether the background is transparent."""
    layer_decomposition: bool | None
    """Take the image apart into layers."""


class AcedataDoubaoSeedream50Lite260128(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["doubao-seedream-5-0-lite-260128"]]
    """Seedream 5.0 Lite"""
    size: str | None
    """The shape or the size of the result."""
    watermark: bool | None
    """Whether the image has a watermark."""
    optimize_prompt_options: Mapping[str, Any] | None
    """How the prompt is improved, such as {"mode": "fast"}."""
    output_format: Literal["jpeg", "png"] | None
    """The file format of the result."""
    sequential_image_generation: Literal["auto", "disabled"] | None
    """Whether to make a series of images that belong together."""
    sequential_image_generation_options: Mapping[str, Any] | None
    """The length of the series: {"max_images": 15} at most."""
    tools: Sequence[Any] | None
    """What the model may use, such as [{"type": "web_search"}]."""


class AcedataDoubaoSeedream45251128(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["doubao-seedream-4-5-251128"] | Literal["doubao-seedream-4-0-250828"]]
    size: str | None
    """The shape or the size of the result."""
    watermark: bool | None
    """Whether the image has a watermark."""
    optimize_prompt_options: Mapping[str, Any] | None
    """How the prompt is improved, such as {"mode": "fast"}."""
    sequential_image_generation: Literal["auto", "disabled"] | None
    """Whether to make a series of images that belong together."""
    sequential_image_generation_options: Mapping[str, Any] | None
    """The length of the series: {"max_images": 15} at most."""


class AcedataQwenImage30(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["qwen-image-3.0"] | Literal["qwen-image-3.0-pro"]]
    n: int | None
    """How many images, each paid."""
    size: str | None
    """The shape or the size of the result."""
    prompt_extend: bool | None
    """Let a language model elaborate the prompt."""
    prompt_extend_mode: Literal["direct", "agent"] | None | Literal["direct"] | None
    """How the prompt is elaborated."""
    enable_thinking: bool | None
    """Let the model think first."""
    negative_prompt: str | None
    """What the image must not show."""
    seed: int | None
    """The same seed repeats a result."""
    watermark: bool | None
    """Whether the image has a watermark."""


class AcedataGptImage1(TypedDict, total=False):
    """Parameters."""

    model: Required[
        Literal["gpt-image-1"]
        | Literal["gpt-image-1.5"]
        | Literal["gpt-image-2"]
        | Literal["gpt-image-2:reverse"]
        | Literal["gpt-image-2:official"]
        | Literal["gpt-image-2.5-flare"]
        | Literal["gpt-image-2.5-flare:official"]
        | Literal["gpt-image-2.5-sunburst"]
        | Literal["gpt-image-2.5-sunburst:official"]
    ]
    n: int | None
    """How many images, each paid."""
    size: str | None
    """The shape or the size of the result."""
    quality: Literal["auto", "low", "medium", "high"] | None
    """The quality of the result."""
    background: Literal["auto", "transparent", "opaque"] | None
    """Whether the background is transparent."""
    output_format: Literal["png", "jpeg", "webp"] | None
    """The file format of the result."""
    output_compression: int | None
    """The compression of JPEG and WebP, in percent."""
    moderation: Literal["auto", "low"] | None
    """How strict the moderation is."""
    input_fidelity: Literal["high", "low"] | None
    """How closely to keep to the input images."""
    mask: str | None
    """The URL of an image that marks what to change."""


class AcedataMidjourney(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["midjourney"]]
    """The only model whose results are worked on."""
    mode: Literal["fast", "relax", "turbo"] | None
    """Faster is dearer."""
    split_images: bool | None
    """Whether to deliver the four images of the grid, too."""
    version: str | None
    """The version of Midjourney, such as 7."""
    hd: bool | None
    """An image of 2K, with version 8 alone; four times the price."""
    quality: Literal[".25", ".5", "1", "2", "4"] | None
    """The quality of the result."""
    translation: bool | None
    """Translate the prompt to English first."""
    style_reference: bool | None
    """Whether the prompt has a style reference."""
    moodboard: bool | None
    """Whether the prompt refers to a moodboard."""
    mask: str | None
    """The URL of an image that marks what to change, for `region`."""
    task_id: str
    """AceData's `image_id` of the earlier result."""
    image_index: int | None
    """Which of the four of a grid, from 0."""
    factor: Literal["2x", "4x"] | None
    """How much larger a single image becomes."""
    job: str
    """The id of a job, to go on with its task in place of `task_id`."""
    strength: Literal["subtle", "strong", "region"] | None
    """How much of a single image changes; `region`: the mask."""
    zoom_out: Literal["1.5x", "2x"] | None
    """How much more of the scene is shown."""
    direction: Literal["left", "right", "up", "down"] | None
    """The side at which the scene goes on."""


AcedataKnownParams = (
    AcedataFluxDev
    | AcedataFluxKontextPro
    | AcedataFlux2Flex
    | AcedataNanoBanana
    | AcedataDoubaoSeedream50Pro260628
    | AcedataDoubaoSeedream50Lite260128
    | AcedataDoubaoSeedream45251128
    | AcedataQwenImage30
    | AcedataGptImage1
    | AcedataMidjourney
)
