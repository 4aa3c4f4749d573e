"""What a provider without tasks is: the response to a submission holds the images."""

from __future__ import annotations

from .base import Provider
from .inline import MAX_RESPONSE_BYTES_WITH_IMAGES
from .wire import (
    MalformedResponseError,
    ProviderRequest,
    ProviderResponse,
    TaskStatus,
)


class SynchronousProvider(Provider):
    """A provider that nobody can ask later: there are no status requests and no callbacks.

    A response that is lost was paid for, perhaps, and is lost for good. `Accepted` always has the
    images, and a task id that tells two responses of one job apart.
    """

    # A minute of it is for the input images.
    submit_timeout_s = 240.0
    max_response_bytes = MAX_RESPONSE_BYTES_WITH_IMAGES

    def build_status_request(self, task_id: str, api_version: str) -> ProviderRequest:
        """Raise MalformedResponseError."""
        raise MalformedResponseError("this provider has no status of a task")

    def parse_status_response(self, response: ProviderResponse, api_version: str) -> TaskStatus:
        """Raise MalformedResponseError."""
        raise MalformedResponseError("this provider has no status of a task")

    def parse_callback(self, body: bytes) -> TaskStatus:
        """Raise MalformedResponseError."""
        raise MalformedResponseError("this provider sends no callbacks")
