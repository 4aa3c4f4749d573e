# Written by `make client` from the providers' models.
"""The parameters of each model of the account kie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Required, TypedDict


class Kie4oImageApi(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["4o-image-api"]]
    """GPT-4o Image"""
    size: Required[Literal["1:1", "3:2", "2:3"]]
    """The shape or the size of the result."""


class KieBytedanceSeedream(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["bytedance/seedream"]]
    """Seedream3.0 - Text to Image"""
    guidance_scale: float | None
    """How closely to follow the prompt."""
    image_size: (
        Literal[
            "square",
            "square_hd",
            "portrait_4_3",
            "portrait_16_9",
            "landscape_4_3",
            "landscape_16_9",
        ]
        | None
    )
    """The shape of the result."""
    seed: int | None
    """The same seed repeats a result."""


class KieBytedanceSeedreamV4Edit(TypedDict, total=False):
    """Parameters."""

    model: Required[
        Literal["bytedance/seedream-v4-edit"] | Literal["bytedance/seedream-v4-text-to-image"]
    ]
    image_resolution: Literal["1K", "2K", "4K"] | None
    """The size of the result."""
    image_size: (
        Literal[
            "square",
            "square_hd",
            "portrait_4_3",
            "portrait_3_2",
            "portrait_16_9",
            "landscape_4_3",
            "landscape_3_2",
            "landscape_16_9",
            "landscape_21_9",
        ]
        | None
    )
    """The shape of the result."""
    max_images: float | None
    """How many images at most."""
    nsfw_checker: bool | None
    """Check the result for adult content."""
    seed: int | None
    """The same seed repeats a result."""


class KieFlux2FlexImageToImage(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["flux-2/flex-image-to-image"] | Literal["flux-2/pro-image-to-image"]]
    aspect_ratio: Literal["1:1", "4:3", "3:4", "16:9", "9:16", "3:2", "2:3", "auto"]
    """Width to height."""
    resolution: Literal["1K", "2K"]
    """The size of the result."""
    nsfw_checker: bool | None
    """Check the result for adult content."""


class KieFlux2FlexTextToImage(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["flux-2/flex-text-to-image"] | Literal["flux-2/pro-text-to-image"]]
    aspect_ratio: Literal["1:1", "4:3", "3:4", "16:9", "9:16", "3:2", "2:3"]
    """Width to height."""
    resolution: Literal["1K", "2K"]
    """The size of the result."""
    nsfw_checker: bool | None
    """Check the result for adult content."""


class KieFlux1Kontext(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["flux1-kontext"]]
    """Flux Kontext"""
    aspect_ratio: Literal["21:9", "16:9", "4:3", "1:1", "3:4", "9:16"] | None
    """Width to height."""
    output_format: Literal["jpeg", "png"] | None
    """The file format of the result."""
    enable_translation: bool | None
    """Translate the prompt to English first."""
    upload_cn: bool | None
    """Keep the result on servers in China."""
    prompt_upsampling: bool | None
    """Let a language model elaborate the prompt."""
    safety_tolerance: int | None
    """0 is strict, 6 lenient; up to 2 in edits."""
    watermark: str | None
    """The watermark of the result."""


class KieGoogleImagen4(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["google/imagen4"] | Literal["google/imagen4-ultra"]]
    aspect_ratio: Literal["1:1", "16:9", "9:16", "3:4", "4:3", "auto"] | None
    """Width to height."""
    negative_prompt: str | None
    """What the image must not show."""
    seed: str | None
    """The same seed repeats a result."""


class KieGoogleImagen4Fast(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["google/imagen4-fast"]]
    """Google - imagen4-fast"""
    aspect_ratio: Literal["1:1", "16:9", "9:16", "3:4", "4:3", "auto"] | None
    """Width to height."""
    negative_prompt: str | None
    """What the image must not show."""
    seed: int | None
    """The same seed repeats a result."""


class KieGoogleNanoBanana(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["google/nano-banana"]]
    """Google - Nano Banana"""
    aspect_ratio: (
        Literal["1:1", "9:16", "16:9", "3:4", "4:3", "3:2", "2:3", "5:4", "4:5", "21:9", "auto"]
        | None
    )
    """Width to height."""
    image_size: (
        Literal["1:1", "9:16", "16:9", "3:4", "4:3", "3:2", "2:3", "5:4", "4:5", "21:9", "auto"]
        | None
    )
    """The shape of the result."""
    nsfw_checker: bool | None
    """Check the result for adult content."""
    output_format: Literal["jpeg", "png"] | None
    """The file format of the result."""


class KieGoogleNanoBananaEdit(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["google/nano-banana-edit"]]
    """Google - Nano Banana Edit"""
    aspect_ratio: (
        Literal["1:1", "9:16", "16:9", "3:4", "4:3", "3:2", "2:3", "5:4", "4:5", "21:9", "auto"]
        | None
    )
    """Width to height."""
    image_size: (
        Literal["1:1", "9:16", "16:9", "3:4", "4:3", "3:2", "2:3", "5:4", "4:5", "21:9", "auto"]
        | None
    )
    """The shape of the result."""
    output_format: Literal["jpeg", "png"] | None
    """The file format of the result."""


class KieGptImage25FlareImageToImage(TypedDict, total=False):
    """Parameters."""

    model: Required[
        Literal["gpt-image-2-5-flare-image-to-image"]
        | Literal["gpt-image-2-5-flare-text-to-image"]
        | Literal["gpt-image-2-5-sunburst-image-to-image"]
        | Literal["gpt-image-2-5-sunburst-text-to-image"]
    ]
    aspect_ratio: (
        Literal[
            "auto",
            "1:1",
            "3:2",
            "2:3",
            "4:3",
            "3:4",
            "16:9",
            "9:16",
            "21:9",
            "27:16",
            "16:27",
            "9:8",
            "8:9",
        ]
        | None
    )
    """Width to height."""
    resolution: Literal["1K", "2K", "4K"] | None
    """The size of the result."""
    background: Literal["auto", "transparent", "opaque"] | None
    """Whether the background is transparent."""


class KieGptImage2ImageToImage(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["gpt-image-2-image-to-image"] | Literal["gpt-image-2-text-to-image"]]
    aspect_ratio: (
        Literal[
            "auto",
            "1:1",
            "3:2",
            "2:3",
            "4:3",
            "3:4",
            "5:4",
            "4:5",
            "16:9",
            "9:16",
            "2:1",
            "1:2",
            "3:1",
            "1:3",
            "21:9",
            "9:21",
        ]
        | None
    )
    """Width to height."""
    resolution: Literal["1K", "2K", "4K"] | None
    """The size of the result."""


class KieGptImage15ImageToImage(TypedDict, total=False):
    """Parameters."""

    model: Required[
        Literal["gpt-image/1.5-image-to-image"] | Literal["gpt-image/1.5-text-to-image"]
    ]
    aspect_ratio: Literal["1:1", "2:3", "3:2"]
    """Width to height."""
    quality: Literal["medium", "high"]
    """The quality of the result."""


class KieGrokImagineImage20ImageEdit(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["grok-imagine-image-2-0/image-edit"]]
    """Grok Imagine Image 2.0 edit"""
    aspect_ratio: Required[Literal["1:1", "2:3", "3:2", "16:9", "9:16", "auto"]]
    """Width to height."""


class KieGrokImagineImage20SegmentEdit(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["grok-imagine-image-2-0/segment-edit"]]
    """Grok Imagine Image 2.0 segment edit"""
    task_id: str
    """kie's id of an earlier task."""
    mask_indexs: Sequence[int] | None
    """Which segments of the map to edit."""
    job: str
    """The id of a job, to go on with its task in place of `task_id`."""


class KieGrokImagineImage20SegmentMap(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["grok-imagine-image-2-0/segment-map"]]
    """Grok Imagine Image 2.0 Segment Map"""
    task_id: str | None
    """kie's id of an earlier task."""
    job: str
    """The id of a job, to go on with its task in place of `task_id`."""


class KieGrokImagineImage20TextToImage(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["grok-imagine-image-2-0/text-to-image"]]
    """Grok Imagine Image 2.0 Text To Image"""
    aspect_ratio: Required[Literal["1:1", "2:3", "3:2", "16:9", "9:16"]]
    """Width to height."""


class KieGrokImagineImageToImage(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["grok-imagine/image-to-image"]]
    """Grok Imagine - image to image"""
    nsfw_checker: bool | None
    """Check the result for adult content."""


class KieGrokImagineTextToImage(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["grok-imagine/text-to-image"]]
    """Grok Imagine - Text to Image"""
    aspect_ratio: Literal["2:3", "3:2", "1:1", "16:9", "9:16"] | None
    """Width to height."""
    enable_pro: bool | None
    """Use the better and dearer mode."""
    nsfw_checker: bool | None
    """Check the result for adult content."""


class KieIdeogramCharacter(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["ideogram/character"]]
    """Ideogram - Character"""
    expand_prompt: bool | None
    """Let a language model elaborate the prompt."""
    image_size: (
        Literal[
            "square",
            "square_hd",
            "portrait_4_3",
            "portrait_16_9",
            "landscape_4_3",
            "landscape_16_9",
        ]
        | None
    )
    """The shape of the result."""
    negative_prompt: str | None
    """What the image must not show."""
    num_images: Literal["1", "2", "3", "4"] | None
    """How many images, as text."""
    rendering_speed: Literal["TURBO", "BALANCED", "QUALITY"] | None
    """Faster is cheaper."""
    seed: int | None
    """The same seed repeats a result."""
    style: Literal["AUTO", "REALISTIC", "FICTION"] | None
    """The style of the result."""


class KieIdeogramCharacterEdit(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["ideogram/character-edit"]]
    """Ideogram - Character Edit"""
    mask_url: Required[str]
    """An image that marks what to change."""
    reference_image_urls: Required[Sequence[str]]
    """Images of the character."""
    expand_prompt: bool | None
    """Let a language model elaborate the prompt."""
    num_images: Literal["1", "2", "3", "4"] | None
    """How many images, as text."""
    rendering_speed: Literal["TURBO", "BALANCED", "QUALITY"] | None
    """Faster is cheaper."""
    seed: int | None
    """The same seed repeats a result."""
    style: Literal["AUTO", "REALISTIC", "FICTION"] | None
    """The style of the result."""


class KieIdeogramCharacterRemix(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["ideogram/character-remix"]]
    """Ideogram - Character Remix"""
    reference_image_urls: Required[Sequence[str]]
    """Images of the character."""
    expand_prompt: bool | None
    """Let a language model elaborate the prompt."""
    image_size: (
        Literal[
            "square",
            "square_hd",
            "portrait_4_3",
            "portrait_16_9",
            "landscape_4_3",
            "landscape_16_9",
        ]
        | None
    )
    """The shape of the result."""
    style_image_urls: Sequence[str] | None
    """Images of the style to use."""
    negative_prompt: str | None
    """What the image must not show."""
    num_images: Literal["1", "2", "3", "4"] | None
    """How many images, as text."""
    reference_mask_urls: str | None
    """A mask of the character in its image."""
    rendering_speed: Literal["TURBO", "BALANCED", "QUALITY"] | None
    """Faster is cheaper."""
    seed: int | None
    """The same seed repeats a result."""
    strength: float | None
    """How far the result may depart from the image."""
    style: Literal["AUTO", "REALISTIC", "FICTION"] | None
    """The style of the result."""


class KieIdeogramV3Edit(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["ideogram/v3-edit"]]
    """Ideogram V3 Edit"""
    mask_url: Required[str]
    """An image that marks what to change."""
    expand_prompt: bool | None
    """Let a language model elaborate the prompt."""
    rendering_speed: Literal["TURBO", "BALANCED", "QUALITY"] | None
    """Faster is cheaper."""
    seed: int | None
    """The same seed repeats a result."""


class KieIdeogramV3Remix(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["ideogram/v3-remix"]]
    """Ideogram V3 Remix"""
    expand_prompt: bool | None
    """Let a language model elaborate the prompt."""
    image_size: (
        Literal[
            "square",
            "square_hd",
            "portrait_4_3",
            "portrait_16_9",
            "landscape_4_3",
            "landscape_16_9",
        ]
        | None
    )
    """The shape of the result."""
    negative_prompt: str | None
    """What the image must not show."""
    num_images: Literal["1", "2", "3", "4"] | None
    """How many images, as text."""
    rendering_speed: Literal["TURBO", "BALANCED", "QUALITY"] | None
    """Faster is cheaper."""
    seed: int | None
    """The same seed repeats a result."""
    strength: float | None
    """How far the result may depart from the image."""
    style: Literal["AUTO", "GENERAL", "REALISTIC", "DESIGN"] | None
    """The style of the result."""


class KieIdeogramV3TextToImage(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["ideogram/v3-text-to-image"]]
    """Ideogram V3 Text to Image"""
    expand_prompt: bool | None
    """Let a language model elaborate the prompt."""
    image_size: (
        Literal[
            "square",
            "square_hd",
            "portrait_4_3",
            "portrait_16_9",
            "landscape_4_3",
            "landscape_16_9",
        ]
        | None
    )
    """The shape of the result."""
    negative_prompt: str | None
    """What the image must not show."""
    rendering_speed: Literal["TURBO", "BALANCED", "QUALITY"] | None
    """Faster is cheaper."""
    seed: int | None
    """The same seed repeats a result."""
    style: Literal["AUTO", "GENERAL", "REALISTIC", "DESIGN"] | None
    """The style of the result."""


class KieNanoBanana2(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["nano-banana-2"]]
    """Google - Nano Banana 2"""
    aspect_ratio: (
        Literal[
            "1:1",
            "2:3",
            "3:2",
            "1:4",
            "4:1",
            "3:4",
            "4:3",
            "4:5",
            "5:4",
            "1:8",
            "8:1",
            "9:16",
            "16:9",
            "21:9",
            "auto",
        ]
        | None
    )
    """Width to height."""
    output_format: Literal["png", "jpg"] | None
    """The file format of the result."""
    resolution: Literal["1K", "2K", "4K"] | None
    """The size of the result."""


class KieNanoBanana2Lite(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["nano-banana-2-lite"]]
    """Google - Nano Banana 2 Lite"""
    aspect_ratio: Literal[
        "1:1",
        "1:4",
        "1:8",
        "2:3",
        "3:2",
        "3:4",
        "4:1",
        "4:3",
        "4:5",
        "5:4",
        "8:1",
        "9:16",
        "16:9",
        "21:9",
        "auto",
    ]
    """Width to height."""


class KieNanoBananaPro(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["nano-banana-pro"]]
    """Google - Nano Banana Pro"""
    aspect_ratio: (
        Literal["1:1", "9:16", "16:9", "3:4", "4:3", "3:2", "2:3", "5:4", "4:5", "21:9", "auto"]
        | None
    )
    """Width to height."""
    output_format: Literal["png", "jpg"] | None
    """The file format of the result."""
    resolution: Literal["1K", "2K", "4K"] | None
    """The size of the result."""


class KieQwenImageEdit(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["qwen/image-edit"]]
    """Qwen - Image Edit"""
    acceleration: Literal["none", "regular", "high"] | None
    """Trade quality for speed."""
    enable_safety_checker: bool | None
    """Check the result for unsafe content."""
    guidance_scale: float | None
    """How closely to follow the prompt."""
    image_size: (
        Literal[
            "square",
            "square_hd",
            "portrait_4_3",
            "portrait_16_9",
            "landscape_4_3",
            "landscape_16_9",
        ]
        | None
    )
    """The shape of the result."""
    negative_prompt: str | None
    """What the image must not show."""
    nsfw_checker: bool | None
    """Check the result for adult content."""
    num_images: Literal["1", "2", "3", "4"] | None
    """How many images, as text."""
    num_inference_steps: float | None
    """More steps are slower and better."""
    output_format: Literal["jpeg", "png"] | None
    """The file format of the result."""
    seed: int | None
    """The same seed repeats a result."""
    sync_mode: bool | None
    """Wait for the upload of the result."""


class KieQwenImageToImage(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["qwen/image-to-image"]]
    """Qwen - Image to Image"""
    acceleration: Literal["none", "regular", "high"] | None
    """Trade quality for speed."""
    enable_safety_checker: bool | None
    """Check the result for unsafe content."""
    guidance_scale: float | None
    """How closely to follow the prompt."""
    negative_prompt: str | None
    """What the image must not show."""
    nsfw_checker: bool | None
    """Check the result for adult content."""
    num_inference_steps: float | None
    """More steps are slower and better."""
    output_format: Literal["jpeg", "png"] | None
    """The file format of the result."""
    seed: int | None
    """The same seed repeats a result."""
    strength: float | None
    """How far the result may depart from the image."""


class KieQwenTextToImage(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["qwen/text-to-image"]]
    """Qwen - Text to Image"""
    acceleration: Literal["none", "regular", "high"] | None
    """Trade quality for speed."""
    enable_safety_checker: bool | None
    """Check the result for unsafe content."""
    guidance_scale: float | None
    """How closely to follow the prompt."""
    image_size: (
        Literal[
            "square",
            "square_hd",
            "portrait_4_3",
            "portrait_16_9",
            "landscape_4_3",
            "landscape_16_9",
        ]
        | None
    )
    """The shape of the result."""
    negative_prompt: str | None
    """What the image must not show."""
    nsfw_checker: bool | None
    """Check the result for adult content."""
    num_inference_steps: float | None
    """More steps are slower and better."""
    output_format: Literal["jpeg", "png"] | None
    """The file format of the result."""
    seed: int | None
    """The same seed repeats a result."""


class KieQwen21ImageToImage(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["qwen2-1/image-to-image"]]
    """Qwen Image 2.1"""
    mask_url: str | None
    """An image that marks what to change."""
    aspect_ratio: (
        Literal["auto", "1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16", "21:9", "9:21"] | None
    )
    """Width to height."""
    resolution: Literal["1K", "2K"] | None
    """The size of the result."""
    background: Literal["opaque", "transparent"] | None
    """Whether the background is transparent."""
    output_format: Literal["png", "jpeg", "webp"] | None
    """The file format of the result."""
    enhance_prompt: bool | None
    """Let a language model elaborate the prompt."""
    seed: int | None
    """The same seed repeats a result."""


class KieQwen21TextToImage(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["qwen2-1/text-to-image"]]
    """Qwen Image 2.1"""
    aspect_ratio: Literal["21:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "9:21"] | None
    """Width to height."""
    resolution: Literal["1K", "2K"] | None
    """The size of the result."""
    background: Literal["opaque", "transparent"] | None
    """Whether the background is transparent."""
    output_format: Literal["png", "jpeg", "webp"] | None
    """The file format of the result."""
    enhance_prompt: bool | None
    """Let a language model elaborate the prompt."""
    seed: int | None
    """The same seed repeats a result."""


class KieQwen2ImageEdit(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["qwen2/image-edit"]]
    """Qwen2 - Image Edit"""
    image_size: Literal["1:1", "2:3", "3:2", "3:4", "4:3", "9:16", "16:9", "21:9"] | None
    """The shape of the result."""
    nsfw_checker: bool | None
    """Check the result for adult content."""
    output_format: Literal["jpeg", "png"] | None
    """The file format of the result."""
    seed: int | None
    """The same seed repeats a result."""


class KieQwen2TextToImage(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["qwen2/text-to-image"]]
    """Qwen2 - Text To Image"""
    image_size: Literal["1:1", "3:4", "4:3", "9:16", "16:9"] | None
    """The shape of the result."""
    nsfw_checker: bool | None
    """Check the result for adult content."""
    output_format: Literal["jpeg", "png"] | None
    """The file format of the result."""
    seed: int | None
    """The same seed repeats a result."""


class KieQwen3ImageToImage(TypedDict, total=False):
    """Parameters."""

    model: Required[
        Literal["qwen3/image-to-image"]
        | Literal["qwen3/pro-image-to-image"]
        | Literal["qwen3/pro-text-to-image"]
        | Literal["qwen3/text-to-image"]
    ]
    image_size: Literal["1:1", "2:3", "3:2", "3:4", "4:3", "9:16", "16:9", "21:9"] | None
    """The shape of the result."""
    negative_prompt: str | None
    """What the image must not show."""
    nsfw_checker: bool | None
    """Check the result for adult content."""
    output_format: Literal["jpeg", "png"] | None
    """The file format of the result."""
    prompt_extend: bool | None
    """Let a language model elaborate the prompt."""
    resolution: Literal["1K", "2K"] | None
    """The size of the result."""
    seed: int | None
    """The same seed repeats a result."""


class KieRecraftCrispUpscale(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["recraft/crisp-upscale"] | Literal["recraft/remove-background"]]


class KieSeedream45Edit(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["seedream/4.5-edit"] | Literal["seedream/4.5-text-to-image"]]
    aspect_ratio: Literal["1:1", "4:3", "3:4", "16:9", "9:16", "2:3", "3:2", "21:9"]
    """Width to height."""
    quality: Literal["basic", "high"]
    """The quality of the result."""
    nsfw_checker: bool | None
    """Check the result for adult content."""


class KieSeedream5LiteImageToImage(TypedDict, total=False):
    """Parameters."""

    model: Required[
        Literal["seedream/5-lite-image-to-image"] | Literal["seedream/5-lite-text-to-image"]
    ]
    aspect_ratio: Literal["1:1", "4:3", "3:4", "16:9", "9:16", "2:3", "3:2", "21:9"]
    """Width to height."""
    quality: Literal["basic", "high", "ultra"]
    """The quality of the result."""
    nsfw_checker: bool | None
    """Check the result for adult content."""
    output_format: Literal["jpeg", "png"] | None
    """The file format of the result."""


class KieSeedream5ProImageToImage(TypedDict, total=False):
    """Parameters."""

    model: Required[
        Literal["seedream/5-pro-image-to-image"] | Literal["seedream/5-pro-text-to-image"]
    ]
    aspect_ratio: Literal["1:1", "4:3", "3:4", "16:9", "9:16", "2:3", "3:2", "21:9"]
    """Width to height."""
    quality: Literal["basic", "high"]
    """The quality of the result."""
    nsfw_checker: bool | None
    """Check the result for adult content."""
    output_format: Literal["jpeg", "png"] | None
    """The file format of the result."""


class KieSeedream5ProLayerDecomposition(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["seedream/5-pro-layer-decomposition"]]
    """Seedream 5.0 Pro - Layer Decomposition"""
    output_format: Literal["jpeg", "png"] | None
    """The file format of the result."""
    size: Literal["auto", "1K", "1.5K", "2K"] | None
    """The shape or the size of the result."""


class KieTopazImageUpscale(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["topaz/image-upscale"]]
    """Topaz - Image Upscale"""
    upscale_factor: Literal["1", "2", "4"]
    """How much larger the result is, as text."""


class KieWan27Image(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["wan/2-7-image"]]
    """Wan 2.7 Image"""
    aspect_ratio: Literal["1:1", "16:9", "4:3", "21:9", "3:4", "9:16", "8:1", "1:8"] | None
    """Width to height."""
    bbox_list: Sequence[Sequence[Any]] | None
    """Boxes to edit, as lists of numbers."""
    color_palette: Sequence[Mapping[str, Any]] | None
    """The colours to use, each an object."""
    enable_sequential: bool | None
    """Make a series of images that belong together."""
    n: int | None
    """How many images."""
    nsfw_checker: bool | None
    """Check the result for adult content."""
    resolution: Literal["1K", "2K", "4K"] | None
    """The size of the result."""
    seed: int | None
    """The same seed repeats a result."""
    thinking_mode: bool | None
    """Let the model think first."""
    watermark: bool | None
    """The watermark of the result."""


class KieWan27ImagePro(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["wan/2-7-image-pro"]]
    """Wan 2.7 Image Pro"""
    aspect_ratio: Literal["1:1", "16:9", "4:3", "21:9", "3:4", "9:16", "8:1", "1:8"] | None
    """Width to height."""
    bbox_list: Sequence[Sequence[Any]] | None
    """Boxes to edit, as lists of numbers."""
    color_palette: Sequence[Mapping[str, Any]] | None
    """The colours to use, each an object."""
    enable_sequential: bool | None
    """Make a series of images that belong together."""
    n: int | None
    """How many images."""
    resolution: Literal["1K", "2K", "4K"] | None
    """The size of the result."""
    seed: int | None
    """The same seed repeats a result."""
    thinking_mode: bool | None
    """Let the model think first."""
    watermark: bool | None
    """The watermark of the result."""


class KieZImage(TypedDict, total=False):
    """Parameters."""

    model: Required[Literal["z-image"]]
    """Z-Image"""
    aspect_ratio: Literal["1:1", "4:3", "3:4", "16:9", "9:16"]
    """Width to height."""
    nsfw_checker: bool | None
    """Check the result for adult content."""


KieKnownParams = (
    Kie4oImageApi
    | KieBytedanceSeedream
    | KieBytedanceSeedreamV4Edit
    | KieFlux2FlexImageToImage
    | KieFlux2FlexTextToImage
    | KieFlux1Kontext
    | KieGoogleImagen4
    | KieGoogleImagen4Fast
    | KieGoogleNanoBanana
    | KieGoogleNanoBananaEdit
    | KieGptImage25FlareImageToImage
    | KieGptImage2ImageToImage
    | KieGptImage15ImageToImage
    | KieGrokImagineImage20ImageEdit
    | KieGrokImagineImage20SegmentEdit
    | KieGrokImagineImage20SegmentMap
    | KieGrokImagineImage20TextToImage
    | KieGrokImagineImageToImage
    | KieGrokImagineTextToImage
    | KieIdeogramCharacter
    | KieIdeogramCharacterEdit
    | KieIdeogramCharacterRemix
    | KieIdeogramV3Edit
    | KieIdeogramV3Remix
    | KieIdeogramV3TextToImage
    | KieNanoBanana2
    | KieNanoBanana2Lite
    | KieNanoBananaPro
    | KieQwenImageEdit
    | KieQwenImageToImage
    | KieQwenTextToImage
    | KieQwen21ImageToImage
    | KieQwen21TextToImage
    | KieQwen2ImageEdit
    | KieQwen2TextToImage
    | KieQwen3ImageToImage
    | KieRecraftCrispUpscale
    | KieSeedream45Edit
    | KieSeedream5LiteImageToImage
    | KieSeedream5ProImageToImage
    | KieSeedream5ProLayerDecomposition
    | KieTopazImageUpscale
    | KieWan27Image
    | KieWan27ImagePro
    | KieZImage
)


class KieFluxKontextParams(TypedDict, total=False):
    """Parameters."""

    model: Literal["flux-kontext-pro", "flux-kontext-max"]
    """The jobs API offers the default only."""
    aspect_ratio: Literal["21:9", "16:9", "4:3", "1:1", "3:4", "9:16"] | None
    """Default 16:9; an edit keeps the ratio of its image."""
    output_format: Literal["jpeg", "png"] | None
    """Default jpeg."""
    enable_translation: bool | None
    """Translate the prompt to English first; default true."""
    upload_cn: bool | None
    """Keep the result on servers in China."""
    prompt_upsampling: bool | None
    """Let the model elaborate the prompt; default false."""
    safety_tolerance: int | None
    """0 is strict, 2 the most lenient for edits; default 2."""
    watermark: str | None
    """A text to put on the image."""


KieFluxKontextKnownParams = KieFluxKontextParams


class KieMidjourneyParams(TypedDict, total=False):
    """Parameters."""

    speed: Literal["relaxed", "fast", "turbo"] | None
    """Faster costs more; videos and omni references need none."""
    aspect_ratio: (
        Literal["1:2", "9:16", "2:3", "3:4", "5:6", "6:5", "4:3", "3:2", "1:1", "16:9", "2:1"]
        | None
    )
    """Width to height."""
    version: Literal["7", "6.1", "6", "5.2", "5.1", "niji6"] | None
    """The Midjourney model."""
    variety: int | None
    """How much the images differ, in fives."""
    stylization: int | None
    """How much of Midjourney's own style; best in fifties."""
    weirdness: int | None
    """How unusual it may become; best in hundreds."""
    watermark: str | None
    """A text to put on the result."""
    enable_translation: bool | None
    """Translate the prompt to English first; default false."""
    task_type: (
        Literal["txt2img", "style_reference", "omni_reference", "video", "video_hd"]
        | Literal["img2img"]
    )
    """The one way to edit."""
    omni_weight: int | None
    """How closely to follow the reference; omni_reference only."""
    video_batch_size: Literal[1, 2, 4] | None
    """How many videos; video and video_hd only; default 1."""
    motion: Literal["high", "low"] | None
    """How much the video moves; video and video_hd only; default high."""
    task_id: str
    """kie's id of the earlier task."""
    image_index: int
    """Which of the four, from 0."""
    job: str
    """The id of a job, to go on with its task in place of `task_id`."""
    index: int
    """Which of the task's videos, from 0."""
    mode: Literal["manual", "auto"]
    """`manual` takes a prompt, `auto` takes none."""


KieMidjourneyKnownParams = KieMidjourneyParams
