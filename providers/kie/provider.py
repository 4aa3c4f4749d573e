"""What all of kie.ai's APIs share: one account, one upload host, the same envelope around all."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from ..limits import ProviderLimits
from ..wire import ProviderResponse, ResultImage, SubmitOutcome, TaskStatus
from . import responses, tasks
from .refresh_url import KieUrlRefreshProvider
from .uploads import KieUploadProvider


class KieProvider(KieUploadProvider, KieUrlRefreshProvider):
    """An API of kie.ai; each differs in its requests, and in where `data` has the image URLs."""

    # Of the account, over all of its APIs; an excess submission is refused with 429.
    limits = ProviderLimits(tasks=20, seconds=10, max_in_flight=100, lookups_per_s=10)

    @abstractmethod
    def parse_images(self, data: Mapping[str, Any]) -> tuple[ResultImage, ...]:
        """Return the images in the `data` of a status response or a callback."""

    def parse_submit_response(self, response: ProviderResponse, api_version: str) -> SubmitOutcome:
        """Return what a submission led to, the same for all APIs."""
        return responses.parse_submit_response(response)

    def parse_status_response(self, response: ProviderResponse, api_version: str) -> TaskStatus:
        """Return a task's status, in any API version."""
        return tasks.parse_status_response(response, self.parse_images)

    def parse_callback(self, body: bytes) -> TaskStatus:
        """Return the status in a callback, in any API version."""
        return tasks.parse_callback(body, self.parse_images)
