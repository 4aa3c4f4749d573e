"""Takes submissions, whatever the wire: checks, refuses, charges and answers."""

from __future__ import annotations

import math
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from .broken_responses import Dropped
from .faults import FaultError, Faults, parse_faults
from .fields import Fields, read_body
from .provider_api import ProviderApi, Refusal
from .tasks import Order, Task, new_id

Reader = Callable[[Fields], Order]


def submit_route(wire: ProviderApi, path: str, read: Reader) -> Route:
    """Return the endpoint where a wire takes what `read` can read."""

    async def submit(request: Request) -> Response:
        return await _take(wire, request, read)

    return Route(path, submit, methods=["POST"])


async def _take(wire: ProviderApi, request: Request, read: Reader) -> Response:
    """Refuse a submission by raising its Refusal, or accept it and answer as its faults says."""
    counts = wire.box.ledger.of(wire.provider)
    counts.received += 1
    try:
        key = _admit(wire, request)
        fields = await read_body(request, wire.complaint)
        order = read(fields)
        faults = _foresee(wire, order.prompt)
        _refuse_as_told(wire, order.prompt, faults)
    except Refusal as refusal:
        counts.refused[str(refusal.code)] += 1
        raise
    task = _accept(wire, order, faults, str(request.base_url))
    wire.box.accounts.charge(wire.account, key, order.credits)
    await wire.box.courier.arrange(task, wire)
    await wire.box.clock.sleep(faults.answer_slow_s)
    if faults.answer_lost:
        return Dropped()
    if faults.answer_garbage:
        return HTMLResponse("<html><body><h1>It works!</h1></body></html>")
    return await wire.answer(task)


def _admit(wire: ProviderApi, request: Request) -> str:
    """Check the key, its pace and its purse, in the order a gateway does."""
    key = wire.authorised(request)
    accounts = wire.box.accounts
    if not accounts.admit(wire.account, key, wire.limit()):
        raise wire.refusal(429)
    if accounts.balance(wire.account, key) <= 0:
        raise wire.out_of_credit()
    return key


def _foresee(wire: ProviderApi, prompt: str) -> Faults:
    """Find out what is to go wrong, by the prompt's words and by chance."""
    try:
        return wire.box.rates.add_to(parse_faults(prompt))
    except FaultError as error:
        raise wire.complaint(str(error)) from error


def _refuse_as_told(wire: ProviderApi, prompt: str, faults: Faults) -> None:
    if faults.refuse:
        raise wire.refusal(faults.refuse)
    busy = wire.box.busy
    if busy[wire.provider, prompt] < faults.busy_times:
        busy[wire.provider, prompt] += 1
        raise wire.refusal(faults.busy_code)
    if wire.box.rates.strikes("busy_429"):
        raise wire.refusal(429)
    if wire.box.rates.strikes("busy_503"):
        raise wire.refusal(wire.unavailable)


def _accept(wire: ProviderApi, order: Order, faults: Faults, base_url: str) -> Task:
    """Enter the task in the books; from here on it is paid for."""
    box = wire.box
    now = box.clock.now()
    duration = box.options.latency_s if faults.slow_s is None else faults.slow_s
    if faults.callback_early:
        duration = 0.0
    if faults.stuck:
        duration = math.inf
    task = Task(
        number=len(box.tasks),
        task_id=new_id(),
        wire=wire.name,
        provider=wire.provider,
        order=order,
        faults=faults,
        base_url=base_url,
        created_at=now,
        ends_at=now + duration,
    )
    box.tasks[task.task_id] = task
    box.ledger.accept(task)
    return task
