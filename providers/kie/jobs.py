"""kie.ai's unified API: one endpoint for all of its models, which `params.model` selects.

Source: docs.kie.ai/market (quickstart, get-task-detail and the models' pages), read 2026.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar

from ...errors import InvalidRequestError, Problem
from ..base import Request, RequestForm
from ..parsing import decode, find_urls, to_object
from ..wire import ProviderRequest, ProviderResponse, Refused, ResultImage, SubmitOutcome
from . import tasks
from .catalogue import load_models
from .catalogue_requests import CatalogueRequest, UncheckedRequest, build_request_type
from .provider import KieProvider

STATUS_PATH = "/api/v1/jobs/recordInfo"
SUBMIT_PATH = "/api/v1/jobs/createTask"
_NO_SUCH_MODEL = re.compile(
    r"page (?:does not|doesn't) exist|model (?:name )?(?:you specified )?is not supported",
    re.IGNORECASE,
)
_LIST = "`imagequeue providers kie` lists all"


class KieJobs(KieProvider):
    """Callbacks and status responses have the same `data`."""

    name = "kie"
    actions: ClassVar[Mapping[str, type[Request]]] = {
        "generate": CatalogueRequest,
        "edit": CatalogueRequest,
    }

    def find_request_type(self, action: str, params: Mapping[str, Any]) -> type[Request]:
        """Return the request type of the model that `params` names."""
        super().find_request_type(action, params)
        if params.get("unchecked") is True:
            return UncheckedRequest
        name = params.get("model")
        models = load_models()
        if not isinstance(name, str) or name not in models:
            raise InvalidRequestError([Problem("params.model", _describe_unknown(name))])
        if action not in models[name].actions:
            raise InvalidRequestError([Problem("action", _describe_others(name, action))])
        return build_request_type(name, action)

    def list_forms(self) -> Iterator[RequestForm]:
        """Yield the requests for each model, then those that are not checked."""
        for model in load_models().values():
            price = model.credits
            for action in model.actions:
                yield RequestForm(
                    action=action,
                    type=build_request_type(model.name, action),
                    model=model.name,
                    title=model.title,
                    price=price.describe(each=bool(model.count)) if price else "",
                    credits=price and price.to_json(),
                )
        for name in self.actions:
            yield RequestForm(name, UncheckedRequest, title="Any other model, unchecked")

    def estimate(self, action: str, request: Request) -> Decimal | None:
        """The price of the catalogue; None for what it does not list."""
        if not isinstance(request, CatalogueRequest):
            return None
        given = request.model_dump(exclude={"model", "prompt", "image_urls"}, exclude_none=True)
        images = getattr(request, "image_urls", None) or ()
        return load_models()[request.model].estimate(given, len(images))

    def get_first_poll_s(self, params: Mapping[str, Any]) -> float | None:
        """Fast models say so in the catalogue."""
        model = load_models().get(str(params.get("model")))
        return model.first_poll_s if model else None

    def build_submit_request(
        self, request: Request, callback_url: str | None, api_version: str
    ) -> ProviderRequest:
        """`POST /api/v1/jobs/createTask`."""
        fields = request.model_dump(by_alias=True, exclude_none=True)
        body: dict[str, object] = {"model": fields.pop("model"), "input": fields}
        if callback_url:
            body["callBackUrl"] = callback_url
        return ProviderRequest(method="POST", path=SUBMIT_PATH, body=body)

    def parse_submit_response(self, response: ProviderResponse, api_version: str) -> SubmitOutcome:
        """An unknown model is refused as a page that does not exist."""
        outcome = super().parse_submit_response(response, api_version)
        if isinstance(outcome, Refused) and _NO_SUCH_MODEL.search(outcome.message):
            message = f"kie has no such model, or no longer: {outcome.message}"
            return replace(outcome, message=message[:300])
        return outcome

    def build_status_request(self, task_id: str, api_version: str) -> ProviderRequest:
        """`GET /api/v1/jobs/recordInfo`, free of charge."""
        return ProviderRequest(method="GET", path=STATUS_PATH, query={"taskId": task_id})

    def parse_images(self, data: Mapping[str, Any]) -> tuple[ResultImage, ...]:
        """`resultJson` is a JSON string with a list of URLs, a video's frames, or an object."""
        result = decode(data.get("resultJson"))
        fields = to_object(result)
        frames = [fields.get("firstFrameUrl"), fields.get("lastFrameUrl")]
        found = (
            *tasks.to_images(result),
            *tasks.to_images(frames),
            *tasks.to_images(find_urls(fields.get("resultObject"))),
        )
        return tuple({image.url: image for image in found}.values())


def _describe_unknown(name: object) -> str:
    if name is None:
        return f"is required; {_LIST}"
    near = difflib.get_close_matches(str(name), load_models(), n=3)
    advice = f"did you mean {' or '.join(near)}? " if near else ""
    return f'unknown model; {advice}{_LIST}; "unchecked": true sends it as it is'


def _describe_others(name: str, action: str) -> str:
    """Say that a model lacks an action, and which similar models have it."""
    others = [each.name for each in load_models().values() if action in each.actions]
    near = difflib.get_close_matches(name, others, n=3, cutoff=0)
    return f"{name} does not {action}; {', '.join(near)} do; {_LIST}"
