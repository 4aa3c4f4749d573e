"""What a provider with a catalogue of models is: `params.model` selects one of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from ..errors import InvalidRequestError, Problem
from ..suggest import suggest
from .base import Provider, Request, RequestForm
from .catalogue import Model, load_models
from .catalogue_requests import CatalogueRequest, UncheckedRequest, build_request_type
from .image_bounds import ImageBounds


class CatalogueProvider(Provider):
    """A provider whose models are data, with the parameters and the price of each."""

    package: ClassVar[str]
    """The package with its catalogue, `models.toml`."""
    unchecked_type: ClassVar[type[Request]] = UncheckedRequest
    """The request for a model that the catalogue does not have."""
    actions: ClassVar[Mapping[str, type[Request]]] = {
        "generate": CatalogueRequest,
        "edit": CatalogueRequest,
    }

    @property
    def models(self) -> Mapping[str, Model]:
        """Every model by its name."""
        return load_models(self.package)

    def find_request_type(self, action: str, params: Mapping[str, Any]) -> type[Request]:
        """Return the request type of the model that `params` names."""
        super().find_request_type(action, params)
        if params.get("unchecked") is True:
            return self.unchecked_type
        name = params.get("model")
        if not isinstance(name, str) or name not in self.models:
            raise InvalidRequestError([Problem("params.model", self._describe_unknown(name))])
        if action not in self.models[name].actions:
            raise InvalidRequestError([Problem("action", self._describe_others(name, action))])
        return build_request_type(self.package, name, action)

    def find_image_bounds(self, params: Mapping[str, Any]) -> ImageBounds | None:
        """Return those of the model; what an unchecked request sends may be a video."""
        if params.get("unchecked") is True:
            return None
        model = self.models.get(str(params.get("model")))
        return model.images if model else None

    def list_image_params(self, params: Mapping[str, Any]) -> Sequence[str]:
        """Return those of the model; every URL in the catalogue is that of an image."""
        model = self.models.get(str(params.get("model")))
        if model is None or params.get("unchecked") is True:
            return ()
        every = {**model.params, **model.edit_params}
        return [name for name, param in every.items() if param.type == "url"]

    def find_count_param(self, action: str, params: Mapping[str, Any]) -> str:
        """Return the one that the catalogue names."""
        fields = self.find_request_type(action, params).model_fields
        model = self.models.get(str(params.get("model")))
        count = model.count if model else None
        return count if count and count in fields else ""

    def list_forms(self) -> Iterator[RequestForm]:
        """Yield the requests for each model, then those that are not checked."""
        for model in self.models.values():
            price = model.credits
            for action in model.actions:
                yield RequestForm(
                    action=action,
                    type=build_request_type(self.package, model.name, action),
                    model=model.name,
                    title=model.title,
                    price=price.describe(each=bool(model.count)) if price else "",
                    credits=price and price.to_json(),
                )
        for name in CatalogueProvider.actions:
            yield RequestForm(name, self.unchecked_type, title="Any other model, unchecked")

    def estimate(self, action: str, request: Request) -> Decimal | None:
        """The price of the catalogue; None for what it does not list."""
        if not isinstance(request, CatalogueRequest):
            return None
        given = request.model_dump(exclude={"model", "prompt", "image_urls"}, exclude_none=True)
        images = getattr(request, "image_urls", None) or ()
        return self.models[request.model].estimate(given, len(images))

    def get_first_poll_s(self, params: Mapping[str, Any]) -> float | None:
        """Fast models say so in the catalogue."""
        model = self.models.get(str(params.get("model")))
        return model.first_poll_s if model else self.first_poll_s

    @property
    def _list(self) -> str:
        return f"`imagequeue providers {self.name}` lists all"

    def _describe_unknown(self, name: object) -> str:
        if name is None:
            return f"is required; {self._list}"
        advice = suggest(str(name), self.models, count=3)
        parts = ("unknown model;", advice, f'{self._list}; "unchecked": true sends it as it is')
        return " ".join(filter(None, parts))

    def _describe_others(self, name: str, action: str) -> str:
        """Say that a model lacks an action, and which similar models have it."""
        others = [each.name for each in self.models.values() if action in each.actions]
        near = difflib.get_close_matches(name, others, n=3, cutoff=0)
        return f"{name} does not {action}; {', '.join(near)} do; {self._list}"
