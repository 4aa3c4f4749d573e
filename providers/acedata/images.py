"""All image services of AceData Cloud: `params.model` selects the service, too.

Source: the official OpenAPI documents of 2026-08, the SDK and the guides of 2026-09.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

from pydantic import Field

from ..base import Provider, Request, RequestForm
from ..catalogue_provider import CatalogueProvider
from ..catalogue_requests import UncheckedRequest
from ..inline import MAX_RESPONSE_BYTES_WITH_IMAGES
from ..wire import ProviderRequest, ProviderResponse, SubmitOutcome
from . import responses
from .flux import FLUX_LIMITS
from .midjourney import FOLLOW_UPS, MODEL, FollowUp
from .provider import COMMON_LIMITS, AceDataProvider


class UncheckedServiceRequest(UncheckedRequest):
    """A request whose parameters are sent as they are to a service."""

    service: Literal["flux", "midjourney", "nano-banana", "openai", "qwen-image", "seedream"] = (
        Field(description="The service that has the model.")
    )
    model: str = Field("", description="The vendor's name of the model; left out if empty.")


class AceDataImages(AceDataProvider, CatalogueProvider):
    """The same convention for every service; this class itself stands for none of them."""

    name = "acedata"
    service = ""
    package = __package__
    max_response_bytes = MAX_RESPONSE_BYTES_WITH_IMAGES
    actions: ClassVar[Mapping[str, type[Request]]] = {**CatalogueProvider.actions, **FOLLOW_UPS}
    unchecked_type = UncheckedServiceRequest
    paths: ClassVar[Mapping[str, str]] = {}
    """Below the service, for each action."""
    sends_action: ClassVar[bool] = False
    """Whether its requests say if they are an edit."""
    has_models: ClassVar[bool] = True
    """Whether its requests name a model."""

    @property
    def services(self) -> Sequence[Provider]:
        """Return it in each service."""
        return tuple(SERVICES.values())

    def select(self, params: Mapping[str, Any]) -> AceDataImages:
        """Return it in the service of a model, or of an unchecked request."""
        name, model = params.get("service"), self.models.get(str(params.get("model")))
        if model and params.get("unchecked") is not True:
            name = model.service
        return SERVICES.get(str(name), self)

    def find_request_type(self, action: str, params: Mapping[str, Any]) -> type[Request]:
        """Return the request type of a model, or of work on an earlier result."""
        return FOLLOW_UPS.get(action) or super().find_request_type(action, params)

    def list_forms(self) -> Iterator[RequestForm]:
        """Yield the requests of the catalogue, and those for work on earlier results."""
        yield from super().list_forms()
        for action, request_type in FOLLOW_UPS.items():
            yield RequestForm(action, request_type, MODEL)

    def build_submit_request(
        self, request: Request, callback_url: str | None, api_version: str
    ) -> ProviderRequest:
        """`POST /{service}/images` or similar; without the last field it would block."""
        chosen = self.select(dict(request))
        fields = request.model_dump(by_alias=True, exclude_none=True)
        action = "edit" if getattr(request, "image_urls", None) else "generate"
        if not (chosen.has_models and fields["model"]):
            del fields["model"]
        if isinstance(request, FollowUp):
            fields = {"action": request.operation, **fields}
        elif chosen.sends_action:
            fields = {"action": action, **fields}
        mode = {"callback_url": callback_url} if callback_url else {"async": True}
        path = f"/{chosen.service}/{chosen.paths[action]}"
        return ProviderRequest(method="POST", path=path, body=fields | mode)

    def parse_submit_response(self, response: ProviderResponse, api_version: str) -> SubmitOutcome:
        """Return what a submission led to, the same for every service."""
        return responses.parse_submit_response(response, None)


_IMAGES = {"generate": "images", "edit": "images"}


class _Flux(AceDataImages):
    service, limits = "flux", FLUX_LIMITS
    paths, sends_action = _IMAGES, True


class _NanoBanana(AceDataImages):
    service, limits = "nano-banana", replace(COMMON_LIMITS, max_in_flight=10)
    paths, sends_action = _IMAGES, True


class _Seedream(AceDataImages):
    service, limits = "seedream", replace(COMMON_LIMITS, max_in_flight=10)
    paths = _IMAGES


class _QwenImage(AceDataImages):
    service = "qwen-image"
    paths = _IMAGES


class _OpenAI(AceDataImages):
    service = "openai"
    # Its records may hold images as base64: those of two tasks have to fit into one response.
    max_batch_size = 2
    paths: ClassVar[Mapping[str, str]] = {"generate": "images/generations", "edit": "images/edits"}


class _Midjourney(AceDataImages):
    service, limits = "midjourney", replace(COMMON_LIMITS, tasks=1, max_in_flight=5)
    paths: ClassVar[Mapping[str, str]] = {"generate": "imagine", "edit": "edits"}
    has_models = False
    follows_results = True


SERVICES: Mapping[str, AceDataImages] = {
    each.service: each
    for each in (
        _Flux(),
        _NanoBanana(),
        _Seedream(),
        _QwenImage(),
        _OpenAI(),
        _Midjourney(),
    )
}
