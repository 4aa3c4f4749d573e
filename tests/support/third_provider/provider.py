"""The one provider of the third vendor."""

from collections.abc import Mapping
from typing import ClassVar

from imagequeue.providers.base import Prompt, Provider, Request
from imagequeue.providers.parsing import parse_object, to_amount
from imagequeue.providers.wire import (
    Accepted,
    Pending,
    ProviderRequest,
    ProviderResponse,
    ResultImage,
    SubmitOutcome,
    Succeeded,
    TaskStatus,
)

from .account import ThirdAccount


class Generate(Request):
    prompt: Prompt


class ThirdProvider(Provider):
    name = "third-images"
    account = ThirdAccount
    actions: ClassVar[Mapping[str, type[Request]]] = {"generate": Generate}

    def build_submit_request(
        self, request: Request, callback_url: str | None, api_version: str
    ) -> ProviderRequest:
        body = {**request.model_dump(), "webhook": callback_url}
        return ProviderRequest(method="POST", path="/images", body=body)

    def parse_submit_response(self, response: ProviderResponse, api_version: str) -> SubmitOutcome:
        fields = parse_object(response.body)
        region = f"@{fields['region']}" if "region" in fields else ""
        return Accepted(task_id=fields["id"] + region, cost=to_amount(fields.get("cost")))

    def build_status_request(self, task_id: str, api_version: str) -> ProviderRequest:
        name, _, region = task_id.partition("@")
        base_url = f"http://127.0.0.1:{region}" if region else ""
        return ProviderRequest(method="GET", path=f"/images/{name}", base_url=base_url)

    def parse_status_response(self, response: ProviderResponse, api_version: str) -> TaskStatus:
        return self.parse_callback(response.body)

    def parse_callback(self, body: bytes) -> TaskStatus:
        fields = parse_object(body)
        if "url" not in fields:
            return Pending(task_id=fields["id"])
        return Succeeded(task_id=fields["id"], images=(ResultImage(url=fields["url"]),))
