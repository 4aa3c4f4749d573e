"""The HTTP API: the Python client, over HTTP."""

from __future__ import annotations

import hmac
import ipaddress
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import FileResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

from .. import __version__
from ..config.settings import Settings
from ..config.start import one_line_errors, start_process
from ..jobs.job import Job, State
from ..providers.request import JobRequest
from .client import Client
from .problems import ProblemDocument, install

MOST_LISTED = 500


class JobList(BaseModel):
    """Some jobs, newest first."""

    jobs: list[Job]
    cursor: str | None = Field(None, description="Give it back to get the next page.")


class Retry(BaseModel):
    """How far a retry may go."""

    pay_again: bool = Field(False, description="Send, and pay for, a failed job once more.")


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    content = {"application/problem+json": {"schema": ProblemDocument.model_json_schema()}}
    return {status: {"content": content} for status in statuses}


def create_app(settings: Settings) -> FastAPI:
    """The API as an ASGI app; raises ConfigError if it cannot work."""
    client = Client(settings)
    app = FastAPI(title="imagequeue", version=__version__, responses=_errors(401, 403, 503))
    guard = [Depends(_Guard(settings))]
    install(app)

    @app.post(
        "/v1/jobs", status_code=202, dependencies=guard, tags=["jobs"], responses=_errors(400, 422)
    )
    def submit(request: JobRequest) -> Job:
        """Queue a job."""
        return client.submit_request(request.model_dump())

    @app.get("/v1/jobs", dependencies=guard, tags=["jobs"], responses=_errors(422))
    def list_jobs(
        state: State | None = None,
        provider: str | None = None,
        limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 50,
        cursor: str | None = None,
    ) -> JobList:
        """List jobs, newest first."""
        page = client.list(state=state, provider=provider, limit=limit, cursor=cursor)
        return JobList(jobs=page.jobs, cursor=page.cursor)

    @app.get("/v1/jobs/{job_id}", dependencies=guard, tags=["jobs"], responses=_errors(404, 422))
    def get(job_id: str) -> Job:
        """Look at a job, its history included."""
        return client.get(job_id)

    @app.post(
        "/v1/jobs/{job_id}/cancel",
        dependencies=guard,
        tags=["jobs"],
        responses=_errors(404, 409, 422),
    )
    def cancel(job_id: str) -> Job:
        """Cancel a job: free while it is queued; later the charge stands."""
        return client.cancel(job_id)

    @app.post(
        "/v1/jobs/{job_id}/retry",
        dependencies=guard,
        tags=["jobs"],
        responses=_errors(400, 404, 409, 422),
    )
    def retry(job_id: str, how: Retry | None = None) -> Job:
        """Download an unsaved job again, free of charge, or pay for a failed one again."""
        return client.retry(job_id, pay_again=bool(how and how.pay_again))

    @app.get(
        "/v1/jobs/{job_id}/images/{n}",
        dependencies=guard,
        tags=["jobs"],
        response_class=FileResponse,
        responses=_errors(404, 422),
    )
    def image(job_id: str, n: int) -> FileResponse:
        """Fetch a saved picture."""
        found = next((image for image in client.get(job_id).images if image.index == n), None)
        if found is None or found.uri is None:
            raise HTTPException(404, f"{job_id} has no saved image {n}")
        path = Path(unquote(urlsplit(found.uri).path))
        if not path.is_file():
            raise HTTPException(404, f"image {n} of {job_id} is no longer at {found.uri}")
        return FileResponse(path, media_type=found.content_type)

    @app.get("/healthz", tags=["operations"])
    def health() -> dict[str, str]:
        """Answer ok while jobs can be accepted."""
        client.ping()
        return {"status": "ok"}

    return app


class _Guard:
    """Lets in whoever has a key; without any keys set, this machine alone."""

    def __init__(self, settings: Settings) -> None:
        self._keys = [key.get_secret_value().encode() for key in settings.api_keys]

    def __call__(
        self,
        request: Request,
        given: Annotated[
            HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))
        ] = None,
    ) -> None:
        if not self._keys:
            if not _is_local(request):
                raise HTTPException(403, "set IMAGEQUEUE_API_KEYS to serve other machines")
            return
        key = given.credentials.encode() if given else b""
        if not any(hmac.compare_digest(key, known) for known in self._keys):
            raise HTTPException(401, "give one of the API keys: Authorization: Bearer KEY")


def _is_local(request: Request) -> bool:
    try:
        return request.client is None or ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def __getattr__(name: str) -> FastAPI:
    """`app`, made when a server asks for it: importing this module connects to nothing."""
    if name != "app":
        raise AttributeError(name)
    with one_line_errors():
        return create_app(start_process())
