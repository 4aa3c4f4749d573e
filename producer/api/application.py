"""The HTTP API as an ASGI app."""

from __future__ import annotations

from fastapi import FastAPI

from ... import __version__
from ...archive import prepare_archive
from ...config.http.security_headers import SecurityHeaders
from ...config.logging import get_logger
from ...config.redis import connect, connect_briefly, reachable
from ...config.settings import Settings
from ...errors import ArchiveUnavailableError
from ...storage import Storage, StorageError, open_storage
from ...store.deployment.agreement import Deployment
from ...store.deployment.processes import Heartbeat, ProcessKind
from ...store.probe import check_writes
from ..client import LocalClient
from ..dashboard.router import dashboard_router
from ..dashboard.routes.docs import docs_router
from ..input_images import MAX_UPLOAD_BYTES
from ..metrics import routes as metrics_routes
from ..metrics.routes import StoreCollector
from ..openai.install import build_routers as openai_routers
from ..pauses import PauseControl
from . import job_form
from .access import Access
from .body_limit import MAX_BATCH_BYTES, MAX_BYTES, BodyLimit
from .changes import Changes
from .form import MAX_FORM_BYTES
from .lifespan import build_lifespan
from .listeners import Listeners
from .openapi import OPENAI_TAG, DocumentedAPI
from .problems import error_responses, install_handlers
from .routes import (
    batches,
    bulk,
    costs,
    events,
    export,
    images,
    jobs,
    me,
    processes,
    providers,
    uploads,
)
from .routes import pauses as pause_routes
from .watch import Watch

log = get_logger(__name__)

TAGS = [
    {"name": "jobs", "description": "A request for images, its state and its result."},
    {"name": "batches", "description": "Jobs submitted together, and their progress."},
    {"name": "costs", "description": "What was spent."},
    {"name": "pauses", "description": "What is not sent for now, and why."},
    {"name": "events", "description": "Job changes as server-sent events."},
    {"name": "images", "description": "Saved images and thumbnails, and images to start from."},
    {"name": "providers", "description": "What each provider takes, and its prices."},
    {"name": OPENAI_TAG, "description": "Images as OpenAI's SDKs ask for them."},
    {"name": "operations", "description": "Health of the API, and the processes that run."},
]


def create_app(settings: Settings) -> FastAPI:
    """Create the API as an ASGI app; raises ConfigError if a setting prevents it."""
    client = LocalClient(settings, dispatch_in_background=True)
    redis_client = connect(settings)
    access = Access(settings, redis_client)
    pauses = PauseControl(settings)
    storage = open_storage(settings.images_url, settings.scratch)
    storage_id = _require_storage(storage, Deployment(redis_client))
    _require_archive(settings, Deployment(redis_client))
    heartbeat = Heartbeat(redis_client, settings, ProcessKind.API)
    reader = connect_briefly(settings)
    changes = Changes(reader)
    watch, listeners = Watch(reader, changes, settings.images_url, client.get), Listeners()
    app = DocumentedAPI(
        title="imagequeue",
        summary="A job queue for paid image-generation APIs: nothing lost, nothing paid twice.",
        version=__version__,
        openapi_tags=TAGS,
        responses=error_responses(401, 403, 503),
        # The operation id is the function's name, so that generated clients stay stable.
        generate_unique_id_function=lambda route: route.name,
        lifespan=build_lifespan(changes, heartbeat, storage_id),
        # A trace is that of a job; those of each request would hide them.
        telemetry={"tracing": False},
        # Those of FastAPI need no key, and load scripts from another site.
        openapi_url=None,
    )
    app.add_middleware(
        BodyLimit,
        max_bytes=MAX_BYTES,
        max_bytes_of={"/v1/batches": MAX_BATCH_BYTES, "/v1/uploads": MAX_UPLOAD_BYTES},
        max_form_bytes_of=dict.fromkeys(["/v1/jobs", "/v1/images/edits", "/new"], MAX_FORM_BYTES),
    )
    install_handlers(app)
    app.include_router(job_form.routes(client, access))
    app.include_router(export.routes(client, access))
    app.include_router(jobs.routes(client, access, watch, listeners))
    app.include_router(bulk.routes(client, access, lambda: changes.closing))
    app.include_router(batches.routes(client, access))
    app.include_router(costs.routes(client, access))
    app.include_router(pause_routes.routes(pauses, access))
    app.include_router(processes.routes(settings, redis_client, access))
    app.include_router(events.routes(access, changes, watch, listeners))
    app.include_router(images.routes(client, access, storage))
    app.include_router(uploads.routes(client.input_images, access))
    app.include_router(providers.routes(access))
    app.include_router(me.routes(access))
    for router in openai_routers(settings, client, redis_client, access, watch, listeners, storage):
        app.include_router(router)
    collector = StoreCollector(settings)
    app.include_router(metrics_routes.routes(collector, access))
    app.include_router(dashboard_router(client, access, pauses, collector, storage))
    app.include_router(docs_router(app, access))

    @app.get("/healthz", tags=["operations"], summary="Check the health")
    async def health() -> dict[str, str]:
        """Report ok while this process runs, whatever the state of Redis."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["operations"], summary="Check that jobs can be accepted")
    async def readiness() -> dict[str, str]:
        """Report ok while Redis accepts writes; else 503."""
        with reachable():
            await check_writes(reader)
        return {"status": "ok"}

    app.middleware_stack = SecurityHeaders(app.build_middleware_stack())
    return app


def _require_storage(storage: Storage, deployment: Deployment) -> str:
    """Return the storage's id, empty if it cannot be read now.

    Raises ConfigError for another storage than that of the workers.
    """
    try:
        with reachable():
            return deployment.require_storage(storage)
    except StorageError as error:
        log.warning("storage_not_compared", why=str(error))
        return ""


def _require_archive(settings: Settings, deployment: Deployment) -> None:
    """Raise ConfigError for another archive than that of the workers, if it can be read now."""
    try:
        with reachable():
            archive = prepare_archive(settings)()
            deployment.require_archive(archive)
            if archive:
                archive.close()
    except ArchiveUnavailableError as error:
        log.warning("archive_not_compared", why=str(error))
