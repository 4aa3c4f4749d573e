"""AceData Cloud Flux: pictures at once or by callback, and the look-up of tasks."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..fields import Fields, read_body
from ..provider_api import ProviderApi, Refusal
from ..submit_route import submit_route
from ..tasks import Order, Task
from . import bodies
from .orders import read_order


class AceData(ProviderApi):
    """`/flux`: images and tasks."""

    name = "acedata-flux"
    provider = "acedata-flux"
    account = "acedata"
    bad_input = 400
    unavailable = 503
    # None are documented, so no client should count on a second try.
    retry_waits_s = ()

    def routes(self) -> list[Route]:
        """Return its endpoints."""
        return [
            submit_route(self, "/flux/images", self._read),
            Route("/flux/tasks", self.tasks, methods=["POST"]),
        ]

    async def tasks(self, request: Request) -> Response:
        """Look up one task or several; an unknown one is no error but an empty object."""
        self.authorised(request)
        fields = await read_body(request, self.complaint)
        self.box.ledger.of(self.provider).lookups += 1
        if fields.choice("action", ("retrieve", "retrieve_batch")) == "retrieve":
            task = self.box.find(self.name, fields.text("id", required=True))
            return JSONResponse(self._record(task) if task else {})
        found = [self.box.find(self.name, task_id) for task_id in fields.texts("ids")]
        items = [self._record(task) for task in found if task]
        return JSONResponse({"items": items, "count": len(items)})

    def limit(self) -> int:
        """Return the chosen limit; none is documented."""
        return self.box.options.acedata_limit

    def refusal(self, code: int, message: str = "") -> Refusal:
        """Make a refusal, in AceData's usual words where none are given."""
        return bodies.AceDataRefusal(code, message)

    def out_of_credit(self) -> Refusal:
        """Make the refusal of a key that cannot pay."""
        return bodies.AceDataRefusal(403, "Your balance is used up.", "used_up")

    async def answer(self, task: Task) -> Response:
        """Answer at once where a callback or `async` was asked for, else when the task ends."""
        if task.order.callback_url or task.order.body.get("async"):
            return JSONResponse(bodies.accepted(task))
        await self.box.clock.sleep_until(task.ends_at)
        return JSONResponse(bodies.result(task, task.task_id), task.faults.fail or 200)

    def callback_body(self, task: Task, task_id: str) -> dict[str, object]:
        """Report the end as a look-up would."""
        return bodies.result(task, task_id)

    def callback_headers(self, task_id: str) -> dict[str, str]:
        """Sign nothing: AceData declares no signature."""
        return {}

    def taken(self, status: int) -> bool:
        """Take any 2xx for an arrival."""
        return 200 <= status < 300

    def _read(self, fields: Fields) -> Order:
        return read_order(fields, only_edit=self.box.options.only_edit)

    def _record(self, task: Task) -> dict[str, object]:
        task.lookups += 1
        return bodies.record(task, self.box.clock.now())
