"""`GET /metrics`: the whole queue for Prometheus, read from Redis at each scrape.

The counts in Redis are exact and outlive every process, so every API process reports the same:
scrape one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import chain
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Header, HTTPException
from fastapi.responses import Response
from kombu.exceptions import OperationalError
from prometheus_client import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from ...config.celery import make_celery
from ...config.redis import connect, reachable
from ...config.settings import Settings
from ...errors import RedisUnavailableError
from ...store.broker import open_queues
from ...store.clock import RedisClock
from ...store.money.budgets import BudgetReader, BudgetUse
from ...store.submit.queue import read_quotas
from ..api.access import Access, Caller
from ..processes import list_needed_queues
from .budget_families import budget_families
from .capacity_families import CreditReader, capacity_families
from .families import families
from .process_families import process_families
from .snapshot import Snapshot, take_snapshot
from .submit_families import submit_families


class Seen(NamedTuple):
    """Everything that is known of the queue at one moment."""

    at: datetime
    snapshot: Snapshot
    budgets: list[BudgetUse]
    credits: Mapping[tuple[str, str], float]
    """What is left by account and key, as their vendors said within minutes."""


def routes(collector: StoreCollector, access: Access) -> APIRouter:
    """Return the endpoint, which is not part of the OpenAPI document."""
    router = APIRouter(include_in_schema=False)
    known_caller = Depends(access)

    @router.get("/metrics")
    def metrics(caller: Caller = known_caller, accept: Annotated[str, Header()] = "") -> Response:
        # The metrics count the jobs of every caller, and name the callers.
        if not (caller.is_admin or caller.is_read_only):
            raise HTTPException(
                403, "/metrics needs a key made with `imagequeue keys add NAME --read-only`"
            )
        # As OpenMetrics for those that prefer it, which has exemplars.
        encode, content_type = choose_encoder(accept)
        return Response(encode(collector), media_type=content_type)

    return router


class StoreCollector(Collector):
    """Collects the metrics of the whole queue, whichever processes it runs on."""

    def __init__(self, settings: Settings) -> None:
        self._redis = connect(settings)
        self._now = RedisClock(self._redis)
        self._budgets = BudgetReader(self._redis, settings)
        self._broker = open_queues(settings, self._redis, make_celery(settings))
        self.quotas = read_quotas(settings)
        self._credits = CreditReader(settings)
        self.settings = settings

    def read(self) -> Seen:
        """Read all of it from Redis; raises RedisUnavailableError rather than returning some."""
        try:
            with reachable():
                now = self._now()
                seen = take_snapshot(self._redis, self._broker, self.quotas, now)
                budgets = self._budgets.list_uses(now)
        except (OperationalError, OSError) as error:
            raise RedisUnavailableError(f"the broker does not answer ({error})") from error
        return Seen(now, seen, budgets, self._credits.read())

    def collect(self) -> Iterator[Metric]:
        """Return every current metric; raises RedisUnavailableError."""
        _, seen, budgets, credits_left = self.read()
        return chain(
            families(seen, self.settings.max_queued_messages),
            process_families(seen.processes, list_needed_queues(self.settings)),
            submit_families(seen, self.quotas),
            budget_families(budgets),
            capacity_families(self.settings.images_url, credits_left),
        )
