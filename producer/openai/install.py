"""The endpoints of OpenAI's API, put together from what the HTTP API already has."""

from __future__ import annotations

from collections.abc import Iterator

import redis
from fastapi import APIRouter

from ...config.settings import Settings
from ...storage import Storage
from ..api.access import Access
from ..api.listeners import Listeners
from ..api.watch import Watch
from ..client import LocalClient
from . import routes
from .acceptance import Acceptance
from .waiting import Waiting


def build_routers(
    settings: Settings,
    client: LocalClient,
    redis_client: redis.Redis,
    access: Access,
    watch: Watch,
    listeners: Listeners,
    storage: Storage,
) -> Iterator[APIRouter]:
    """Yield the routers."""
    acceptance = Acceptance(settings, client, redis_client)
    waiting = Waiting(settings, acceptance, watch, listeners, storage)
    yield routes.routes(settings, client, access, acceptance, waiting)
    yield routes.file_routes(settings, client, storage, acceptance.now)
    yield routes.model_routes(access)
