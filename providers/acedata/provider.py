"""What AceData Cloud's services share: tasks of one shape, one at a time or in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from ..base import BatchProvider
from ..limits import ProviderLimits
from ..wire import ProviderRequest, ProviderResponse, StatusUnavailable, TaskStatus
from . import tasks
from .account import AceDataAccount

# One page allows 60 look-ups a second, another one less than 1; each may be about 50 tasks.
COMMON_LIMITS = ProviderLimits(seconds=1, lookups_per_s=1)


class AceDataProvider(BatchProvider):
    """A service of AceData Cloud. Its callbacks are unsigned; its tasks have no status word."""

    account = AceDataAccount
    limits = COMMON_LIMITS
    max_batch_size = 50
    charges_failed_tasks = False  # billed when the task succeeds
    service: ClassVar[str]
    """The first part of its paths; a token may be for one service, and has limits in each."""

    def build_status_request(self, task_id: str, api_version: str) -> ProviderRequest:
        """`POST /{service}/tasks`, free of charge."""
        return self._build_tasks_request({"action": "retrieve", "id": task_id})

    def parse_status_response(self, response: ProviderResponse, api_version: str) -> TaskStatus:
        """Return the status in a task record."""
        return tasks.parse_status_response(response)

    def build_batch_status_request(self, task_ids: Sequence[str]) -> ProviderRequest:
        """`POST /{service}/tasks` for several tasks, free of charge as well."""
        return self._build_tasks_request({"action": "retrieve_batch", "ids": list(task_ids)})

    def parse_batch_status_response(
        self, response: ProviderResponse
    ) -> Mapping[str, TaskStatus] | StatusUnavailable:
        """Return the status in each task record, by task id."""
        return tasks.parse_batch_status_response(response)

    def parse_callback(self, body: bytes) -> TaskStatus:
        """Return the status in a callback, whose body is that of a task's `response`."""
        return tasks.parse_callback(body)

    def _build_tasks_request(self, body: dict[str, object]) -> ProviderRequest:
        return ProviderRequest(method="POST", path=f"/{self.service}/tasks", body=body)
