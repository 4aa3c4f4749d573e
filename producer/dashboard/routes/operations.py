"""The page of operations: what runs, what waits, what is in use, and what was spent."""

from __future__ import annotations

import os
from collections import Counter
from datetime import date
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ....config.queues import Queue
from ....jobs.job import State
from ...api.access import Access, Caller, require_admin
from ...client import LocalClient
from ...metrics.capacity_families import measure_disk
from ...metrics.families import split_sums
from ...metrics.routes import StoreCollector
from ...metrics.snapshot import Snapshot
from ...pauses import PauseControl
from ...processes import count_workers, find_problems
from ..page_route import PageRoute, describe_caller, require_login
from ..rendering import render


def operations_router(
    client: LocalClient, access: Access, pauses: PauseControl, collector: StoreCollector
) -> APIRouter:
    """Return the route of the page, which is for admin keys and this machine."""
    router = APIRouter(route_class=PageRoute)
    login = require_login(access)

    @router.get("/operations")
    def show(request: Request, caller: Caller = login) -> Response:
        require_admin(caller)
        seen = collector.read()
        snapshot, settings = seen.snapshot, collector.settings
        return render(
            "operations.html",
            seen=seen,
            snapshot=snapshot,
            quotas=collector.quotas,
            problems=list(find_problems(snapshot.processes, settings)),
            queues=[_describe_queue(snapshot, queue) for queue in Queue],
            oldest_s=max(
                snapshot.wakeups[Queue.SUBMIT].overdue_s,
                *(each.oldest_s for each in snapshot.usage.ready.values()),
            ),
            results=_count_results(snapshot),
            costs={by: _sum_costs(client, by, seen.at.date()) for by in ("provider", "caller")},
            disk=measure_disk(settings.images_url),
            flower_url=_find_flower(request),
            pauses=pauses.list_all(),
            names=pauses.list_names(),
            may_change=not caller.is_read_only,
            **describe_caller(request, caller),
        )

    return router


def _describe_queue(seen: Snapshot, queue: Queue) -> dict[str, Any]:
    messages = sum(count for (name, _), count in seen.messages.items() if name == queue)
    ready = sum(each.jobs for each in seen.usage.ready.values()) if queue is Queue.SUBMIT else 0
    wakeups = seen.wakeups[queue]
    return {
        "name": queue,
        "workers": count_workers(seen.processes, queue),
        "due": wakeups.due + ready,
        "messages": messages,
        "overdue_s": wakeups.overdue_s,
    }


def _count_results(seen: Snapshot) -> Counter[str]:
    """Count the first reports of success by what brought them, such as `callback` or `poll`."""
    causes: Counter[str] = Counter()
    for (_, target, cause), count in split_sums(seen.sums, "transitions", 3):
        if target == State.DOWNLOADING:
            causes[cause] += count
    return causes


def _sum_costs(client: LocalClient, by: str, today: date) -> list[dict[str, Any]]:
    """Return what was spent today and this month in UTC, by `provider` or `caller`."""
    month = [row.to_fields() for row in client.report_costs(by, today.replace(day=1), today)]
    days = client.report_costs(by, today, today)
    of_today = {fields[by]: fields["usd"] for fields in (row.to_fields() for row in days)}
    return [{**row, "name": row[by], "today": of_today.get(row[by], 0)} for row in month]


def _find_flower(request: Request) -> str:
    """Return where Flower is, if it runs beside this API: the variables are its own."""
    port = os.environ.get("FLOWER_PORT", "5555")
    prefix = os.environ.get("FLOWER_URL_PREFIX", "").strip("/")
    return f"http://{request.url.hostname}:{port}/{prefix}"
