"""`GET /metrics`: the whole queue for Prometheus, read from the store when it is asked for.

The store is exact and outlives every process, so each API tells the same: one is to be scraped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from kombu.exceptions import OperationalError
from prometheus_client import CONTENT_TYPE_LATEST, Metric, generate_latest
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from ...config.celery import make_celery
from ...config.redis import connect, unavailable
from ...config.settings import Settings
from ...errors import RedisUnavailableError
from ...jobs.job import utc_now
from .families import families
from .snapshot import take


def routes(settings: Settings, guard: Sequence[Any]) -> APIRouter:
    """The endpoint, for those whom the guard lets in; it is no part of the API's document."""
    collector = StoreCollector(settings)
    router = APIRouter(dependencies=guard, include_in_schema=False)

    @router.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(collector), media_type=CONTENT_TYPE_LATEST)

    return router


class StoreCollector(Collector):
    """The metrics of the whole queue, whichever processes it runs on."""

    def __init__(self, settings: Settings) -> None:
        self._redis = connect(settings)
        self._celery = make_celery(settings)
        self._bound = settings.max_queued_messages

    def collect(self) -> Iterator[Metric]:
        """Every metric as it is now; a scrape succeeds whole, or fails where Redis is away."""
        try:
            seen = take(self._redis, self._celery, utc_now())
        except RedisError as error:
            raise unavailable(error) from error
        except (OperationalError, OSError) as error:
            raise RedisUnavailableError(f"the broker does not answer ({error})") from error
        return families(seen, self._bound)
