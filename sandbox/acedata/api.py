"""AceData Cloud's services: images at once or by callback, and the status of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..fields import Fields, read_body
from ..provider_api import ProviderApi, Refusal
from ..submit_route import submit_route
from ..tasks import Order, Task
from . import bodies
from .orders import read_listed_order


class AceDataApi(ProviderApi):
    """A service: images and tasks."""

    charges_failed_tasks = False
    provider = "acedata"
    account = "acedata"
    service: ClassVar[str]
    """The first part of its paths."""
    paths: ClassVar[Sequence[str]] = ("images",)
    has_models: ClassVar[bool] = True
    has_actions: ClassVar[bool] = False
    bad_input = 400
    unavailable = 503
    # None are documented, so no client should count on a second try.
    retry_waits_s = ()

    def build_routes(self) -> list[Route]:
        """Return its endpoints."""
        base = f"/{self.service}"
        return [
            *(submit_route(self, f"{base}/{path}", self.read_order) for path in self.paths),
            Route(f"{base}/tasks", self.tasks, methods=["POST"]),
        ]

    async def tasks(self, request: Request) -> Response:
        """Respond with one task or several; an unknown one is an empty object, not an error."""
        self.authorise(request)
        fields = await read_body(request, self.build_input_refusal)
        self.state.ledger.counts_of(self.provider).lookups += 1
        if fields.read_choice("action", ("retrieve", "retrieve_batch")) == "retrieve":
            task = self.state.find_task(self.name, fields.read_text("id", required=True))
            return JSONResponse(self._record(task) if task else {})
        found = [self.state.find_task(self.name, task_id) for task_id in fields.read_texts("ids")]
        items = [self._record(task) for task in found if task]
        return JSONResponse({"items": items, "count": len(items)})

    def get_limit(self) -> int:
        """Return the configured limit; none is documented."""
        return self.state.options.acedata_limit

    def build_refusal(self, code: int, message: str = "") -> Refusal:
        """Return a refusal, by default with AceData's usual message."""
        return bodies.AceDataRefusal(code, message)

    def build_credit_refusal(self) -> Refusal:
        """Return the refusal of a key without credit."""
        return bodies.AceDataRefusal(403, "Your balance is used up.", "used_up")

    async def respond(self, task: Task) -> Response:
        """Respond at once to a request with a callback URL or `async`, else when the task ends."""
        if task.order.callback_url or task.order.body.get("async"):
            return JSONResponse(bodies.build_accepted(task))
        await self.state.clock.sleep_until(task.ends_at)
        return JSONResponse(self.build_result(task, task.task_id), task.faults.fail or 200)

    def build_callback_body(self, task: Task, task_id: str) -> dict[str, object]:
        """Return the result, as in a task record."""
        return self.build_result(task, task_id)

    def build_callback_headers(self, task_id: str) -> dict[str, str]:
        """Return no header: AceData documents no signature."""
        return {}

    def is_delivered(self, status: int) -> bool:
        """Accept any 2xx."""
        return 200 <= status < 300

    def build_result(self, task: Task, task_id: str) -> dict[str, object]:
        """Return a task's result, the same in responses, callbacks and task records."""
        return bodies.build_result(task, task_id)

    def read_order(self, fields: Fields) -> Order:
        """Return the order in a submission."""
        return read_listed_order(
            fields, self.service, has_models=self.has_models, has_actions=self.has_actions
        )

    def _record(self, task: Task) -> dict[str, object]:
        task.lookups += 1
        return bodies.build_record(task, self.state.clock.now(), self.build_result)
