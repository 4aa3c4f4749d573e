"""The HTTP API: the Python client, over HTTP."""

from __future__ import annotations

from fastapi import Depends, FastAPI

from ... import __version__
from ...config.redis import connect, connect_briefly
from ...config.settings import Settings
from ...storage import open_storage
from ..client import Client
from ..dashboard.routes import dashboard_router
from ..metrics import routes
from . import batch_routes, event_routes, image_routes, job_routes
from .access import Access
from .body_limit import MAX_BATCH_BYTES, MAX_BYTES, BodyLimit
from .changes import Changes
from .lifespan import following
from .problems import error_responses, install
from .watch import Watch

TAGS = [
    {"name": "jobs", "description": "A request for pictures and what becomes of it."},
    {"name": "batches", "description": "Jobs that come in together, and how far they are."},
    {"name": "events", "description": "Changes as they happen, as server-sent events."},
    {"name": "pictures", "description": "What was saved."},
    {"name": "operations", "description": "Whether it works."},
]


def create_app(settings: Settings) -> FastAPI:
    """The API as an ASGI app; raises ConfigError if it cannot work."""
    client = Client(settings)
    access = Access(settings, connect(settings))
    guard = [Depends(access)]
    storage = open_storage(settings.images_url, settings.scratch)
    reader = connect_briefly(settings)
    changes = Changes(reader)
    watch = Watch(reader, changes)
    app = FastAPI(
        title="imagequeue",
        summary="A job queue for paid image-generation APIs: nothing lost, nothing paid twice.",
        version=__version__,
        openapi_tags=TAGS,
        responses=error_responses(401, 403, 503),
        # An operation's id is its function's name: generated clients keep theirs.
        generate_unique_id_function=lambda route: route.name,
        lifespan=following(changes),
    )
    app.add_middleware(BodyLimit, most=MAX_BYTES, paths={"/v1/batches": MAX_BATCH_BYTES})
    install(app)
    app.include_router(job_routes.routes(client, access, watch))
    app.include_router(batch_routes.routes(client, access))
    app.include_router(event_routes.routes(access, changes, watch))
    app.include_router(image_routes.routes(client, access, storage))
    app.include_router(routes.routes(settings, guard))
    app.include_router(dashboard_router(client, access))

    @app.get("/healthz", tags=["operations"], summary="Is it well?")
    def health() -> dict[str, str]:
        """Ok while jobs can be accepted."""
        client.ping()
        return {"status": "ok"}

    return app
