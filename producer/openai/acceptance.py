"""Accept a request for images once: a request that is sent again gets the jobs of the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ...config.redis import reachable
from ...config.settings import Settings
from ...errors import ImageQueueError, InvalidRequestError, Problem, UnknownBatchError
from ...jobs.idempotency import IdempotencyKey, build_idempotency_key
from ...jobs.ids import is_batch_id
from ...store.callers.repeats import Repeatable, Repeats
from ...store.clock import RedisClock
from ..api.access import Caller
from ..client import LocalClient
from .body import MAX_IMAGES

KEY_PREFIX = "openai"


class Accepted(NamedTuple):
    """A request whose jobs are stored."""

    id: str
    """The id of the job, or of the batch of several."""
    request: Repeatable | None = None
    """None if it has an idempotency key of its own."""
    number: int = 0


class Acceptance:
    """Stores the jobs of requests, and knows which requests were sent before."""

    def __init__(self, settings: Settings, client: LocalClient, redis: Any) -> None:
        self._window_s = settings.images_repeat_window_s
        self._client = client
        self._repeats = Repeats(redis)
        self.now = RedisClock(redis)

    @reachable()
    def accept(
        self,
        requests: Sequence[dict[str, Any]],
        sent: dict[str, Any],
        caller: Caller,
        key: str | None,
        is_new: bool,
    ) -> Accepted:
        """Store the jobs of a request, unless it repeats another, and return their id.

        `sent` is all that the request says, with files by their digests. `is_new` says that it is
        certainly no repetition. Raises what `LocalClient.submit_request` raises.
        """
        if key is not None:
            own = build_idempotency_key(key, sent, caller.name)
            named = own.key.replace(":", f":{KEY_PREFIX}:", 1)
            return Accepted(self._submit(requests, caller, IdempotencyKey(named, own.digest)))
        whole = build_idempotency_key("-", sent, caller.name)
        name = whole.key.removesuffix("-")
        request = Repeatable(
            f"{name}{KEY_PREFIX}:{whole.digest}:", whole.digest, "/0" if len(requests) > 1 else ""
        )
        number = self._repeats.claim(request, self.now(), is_new=is_new, window_s=self._window_s)
        return self._submit_number(requests, caller, request, number)

    def _submit_number(
        self, requests: Sequence[dict[str, Any]], caller: Caller, request: Repeatable, number: int
    ) -> Accepted:
        try:
            return Accepted(self._submit(requests, caller, request.to_key(number)), request, number)
        except ImageQueueError:
            self._repeats.forget(request, number)
            raise

    def _submit(
        self, requests: Sequence[dict[str, Any]], caller: Caller, key: IdempotencyKey
    ) -> str:
        options: dict[str, Any] = {
            "idempotency_key": key,
            "submitted_by": caller.name,
            "sees": caller.sees,
            "max_priority": caller.max_priority,
        }
        if len(requests) == 1:
            return self._client.submit_request(requests[0], **options).job.id
        return self._client.submit_batch(requests, **options).batch.id

    @reachable()
    def answer(self, accepted: Accepted) -> Accepted:
        """Note that a request is answered, and return it.

        If another request got its images as an answer, return one whose images nobody got, if
        there is one: its caller has to wait for those.
        """
        if accepted.request is None:
            return accepted
        request, number = accepted.request, accepted.number
        other = self._repeats.answer(request, number, self.now())
        if other == number:
            return accepted
        found = self._repeats.find_id(request, other)
        return Accepted(found, request, other) if found else accepted

    @reachable()
    def list_jobs(self, accepted_id: str, caller: Caller) -> list[str]:
        """Return the ids of the jobs of a request, in order; raises NotFoundError."""
        if not is_batch_id(accepted_id):
            return [self._client.get(accepted_id, submitted_by=caller.sees).id]
        page = self._client.batch_jobs(accepted_id, limit=MAX_IMAGES, submitted_by=caller.sees)
        if not page.jobs:
            raise UnknownBatchError(accepted_id)
        if page.cursor:
            words = f"has more than {MAX_IMAGES} jobs; GET /v1/batches/{accepted_id}/jobs has all"
            raise InvalidRequestError([Problem("job", words)])
        return [job.id for job in page.jobs]
