"""Images of any server that speaks OpenAI's images API: `/images/generations` and `/images/edits`.

Source: OpenAI's API reference of 2026.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from ...errors import Problem
from ..base import ImageURL, Prompt, Request
from ..limits import ProviderLimits
from ..synchronous import SynchronousProvider
from ..wire import ProviderRequest, ProviderResponse, SubmitOutcome
from . import responses
from .account import OpenAIAccount

MAX_PROMPT_CHARACTERS = 32_000
# As base64, the images of one response have to fit into its limit.
MAX_RESULTS = 4
# Sent by the other parameters, or with a response that is not the documented one.
_RESERVED = ("async", "callback_url", "image", "image[]", "image_urls", "mask", "prompt", "stream")


class _ImagesRequest(Request):
    """What both actions take."""

    prompt: Prompt = Field(max_length=MAX_PROMPT_CHARACTERS, description="What to draw or change.")
    model: str = Field(min_length=1, description="The server's name of the model.")
    n: int | None = Field(
        None, ge=1, le=MAX_RESULTS, description="How many images, each paid; default 1."
    )
    size: str | None = Field(
        None, pattern=r"^(auto|[0-9]{2,5}x[0-9]{2,5})$", description="`auto`, or in pixels."
    )
    quality: Literal["auto", "low", "medium", "high", "standard", "hd"] | None = Field(
        None, description="The quality of the result; the values differ by model."
    )
    background: Literal["auto", "transparent", "opaque"] | None = Field(
        None, description="Whether the background is transparent."
    )
    output_format: Literal["png", "jpeg", "webp"] | None = Field(
        None, description="The file format of the result."
    )
    output_compression: int | None = Field(
        None, ge=0, le=100, description="The compression of JPEG and WebP, in percent."
    )
    response_format: Literal["url", "b64_json"] | None = Field(
        None, description="How the images are delivered, where the model takes that."
    )
    extra: dict[str, JsonValue] = Field(
        {}, description="Other parameters of the server, sent as they are."
    )

    def find_conflicts(self) -> Sequence[Problem]:
        """Check that no other parameter is what is sent already."""
        names = sorted({*type(self).model_fields, *_RESERVED} & {*self.extra})
        return [Problem(f"params.extra.{name}", "cannot be sent as an extra") for name in names]


class Generate(_ImagesRequest):
    """Images from a prompt."""

    moderation: Literal["auto", "low"] | None = Field(
        None, description="How strict the moderation is."
    )
    style: Literal["vivid", "natural"] | None = Field(None, description="The style of dall-e-3.")


class Edit(_ImagesRequest):
    """Images, changed or combined as the prompt says."""

    image_urls: list[ImageURL] = Field(
        min_length=1, max_length=16, description="The images to use; the worker fetches them."
    )
    mask_url: ImageURL | None = Field(None, description="An image that marks what to change.")
    input_fidelity: Literal["high", "low"] | None = Field(
        None, description="How closely to keep to the input images."
    )


class OpenAIImages(SynchronousProvider):
    """The response comes once the images are made, after up to two minutes."""

    name = "openai-images"
    account = OpenAIAccount
    # None is documented for all servers. Each holds a thread of a worker meanwhile.
    limits = ProviderLimits(max_in_flight=4)
    takes_files = True
    count_param = "n"
    actions: ClassVar[Mapping[str, type[Request]]] = {"generate": Generate, "edit": Edit}

    def build_submit_request(
        self, request: Request, callback_url: str | None, api_version: str
    ) -> ProviderRequest:
        """`POST /images/generations` as JSON, or `/images/edits` as a form with the images."""
        fields = request.model_dump(exclude_none=True)
        fields |= fields.pop("extra")
        urls, mask = fields.pop("image_urls", ()), fields.pop("mask_url", None)
        if not urls:
            return ProviderRequest(method="POST", path="/images/generations", body=fields)
        part = "image" if len(urls) == 1 else "image[]"
        files = [(part, url) for url in urls] + ([("mask", mask)] if mask else [])
        texts: dict[str, object] = {name: _to_text(value) for name, value in fields.items()}
        return ProviderRequest(method="POST", path="/images/edits", body=texts, files=tuple(files))

    def parse_submit_response(self, response: ProviderResponse, api_version: str) -> SubmitOutcome:
        """Return the images, or why there are none."""
        return responses.parse_submit_response(response)


def _to_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
