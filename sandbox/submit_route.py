"""The submit endpoint of every simulated API: validate, refuse or charge, respond."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from .faults.broken_responses import Dropped
from .faults.faults import FaultError, Faults, parse_faults
from .fields import Fields
from .provider_api import ProviderApi, Refusal
from .tasks import Order, Task, new_id

_FILE = re.compile(r"/files/([0-9a-f-]{36})/")

ReadOrder = Callable[[Fields], Order]


def submit_route(api: ProviderApi, path: str, read: ReadOrder) -> Route:
    """Return the endpoint of an API for the orders that `read` understands."""

    async def submit(request: Request) -> Response:
        return await _submit(api, request, read)

    return Route(path, submit, methods=["POST"])


async def _submit(api: ProviderApi, request: Request, read: ReadOrder) -> Response:
    """Raise a Refusal, or accept the order and respond as its faults say."""
    counts = api.state.ledger.counts_of(api.provider)
    counts.received += 1
    try:
        key = _check_key(api, request)
        fields = await api.read_fields(request)
        order = read(fields)
        faults = _choose_faults(api, order.prompt)
        _raise_refusal(api, order.prompt, faults)
    except Refusal as refusal:
        counts.refused[str(refusal.code)] += 1
        raise
    task = _accept_task(api, order, faults, str(request.base_url))
    api.state.accounts.charge(api.account, key, task.charged)
    await api.state.callbacks.schedule(task, api)
    await api.state.clock.sleep(faults.answer_slow_s)
    if faults.answer_lost:
        return Dropped()
    if faults.answer_garbage:
        return HTMLResponse("<html><body><h1>It works!</h1></body></html>")
    return await api.respond(task)


def _check_key(api: ProviderApi, request: Request) -> str:
    """Check the key, its rate limit and its credit, in the order a gateway does."""
    key = api.authorise(request)
    accounts = api.state.accounts
    if not accounts.acquire(api.account, key, api.get_limit()):
        raise api.build_refusal(429)
    if accounts.balance(api.account, key) <= 0:
        raise api.build_credit_refusal()
    return key


def _choose_faults(api: ProviderApi, prompt: str) -> Faults:
    """Return the faults of a task, from its prompt and by chance."""
    try:
        return api.state.rates.add_to(parse_faults(prompt))
    except FaultError as error:
        raise api.build_input_refusal(str(error)) from error


def _raise_refusal(api: ProviderApi, prompt: str, faults: Faults) -> None:
    if faults.refuse:
        raise api.build_refusal(faults.refuse)
    busy = api.state.busy
    if busy[api.provider, prompt] < faults.busy_times:
        busy[api.provider, prompt] += 1
        raise api.build_refusal(faults.busy_code)
    if api.state.rates.should_occur("busy_429"):
        raise api.build_refusal(429)
    if api.state.rates.should_occur("busy_503"):
        raise api.build_refusal(api.unavailable)


def _accept_task(api: ProviderApi, order: Order, faults: Faults, base_url: str) -> Task:
    """Record the task in the ledger; from here on it is charged."""
    state = api.state
    now = state.clock.now()
    duration = state.options.latency_s if faults.slow_s is None else faults.slow_s
    if faults.callback_early:
        duration = 0.0
    if faults.stuck:
        duration = math.inf
    task = Task(
        number=len(state.tasks),
        task_id=new_id(),
        api=api.name,
        provider=api.provider,
        order=order,
        scene=_find_scene(state.tasks, order),
        charged=order.credits if api.charges_failed_tasks or faults.fail is None else 0,
        faults=faults,
        base_url=base_url,
        created_at=now,
        ends_at=now + duration,
    )
    state.tasks[task.task_id] = task
    state.ledger.add(task)
    return task


def _find_scene(tasks: Mapping[str, Task], order: Order) -> str:
    """Return the scene of the task whose image is the input, else a new one."""
    named = _FILE.search(str(order.body)) if order.edit else None
    task = tasks.get(named[1]) if named else None
    return task.scene if task else order.prompt
