"""The routes that download images: one, those of a job, of selected jobs, or of the filters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import Response, StreamingResponse

from ....jobs.job import Image, Job
from ....storage import Storage
from ...api.access import Access, Caller
from ...api.images import find_image, serve_image
from ...client import LocalClient
from ...image_zip import name_image, write_zip
from ..filters import Filters, parse_filters
from ..page_route import PageRoute, require_login
from ..search import MAX_READ, Found, find_jobs
from ..selection import Selection, parse_selection

ActiveFilters = Annotated[Filters, Depends(parse_filters)]
Selected = Annotated[Selection, Depends(parse_selection)]


def image_router(client: LocalClient, access: Access, storage: Storage) -> APIRouter:
    """Return the routes that send images as files."""
    router = APIRouter(route_class=PageRoute)
    login = require_login(access)

    @router.get("/jobs/{job_id}/images/{n}")
    def download(request: Request, job_id: str, n: int, caller: Caller = login) -> Response:
        job = client.get(job_id, submitted_by=caller.sees)
        image = find_image(job, n)
        response = serve_image(storage, image, request)
        _name_file(response, name_image(job, image))
        return response

    @router.get("/jobs/{job_id}/inputs/{n}")
    def show_input(request: Request, job_id: str, n: int, caller: Caller = login) -> Response:
        """Send an upload that a visible job starts from."""
        names = client.get(job_id, submitted_by=caller.sees).image_urls
        upload = client.input_images.find(names[n]) if 0 <= n < len(names) else None
        if upload is None:
            raise HTTPException(404, f"{job_id} has no input image {n}, or it has expired")
        image = Image(
            index=n,
            source_url=names[n],
            expires_at=upload.expires_at,
            uri=storage.uri(upload.name),
            sha256=upload.sha256,
            bytes=upload.bytes,
            content_type=upload.content_type,
        )
        return serve_image(storage, image, request)

    @router.get("/jobs/{job_id}/images.zip")
    def download_job(job_id: str, caller: Caller = login) -> Response:
        return send_zip([client.get(job_id, submitted_by=caller.sees)], f"{job_id}.zip")

    @router.get("/selected.zip")
    def download_selected(selected: Selected, caller: Caller = login) -> Response:
        return send_zip(client.get_many(selected.ids, submitted_by=caller.sees), "images.zip")

    @router.get("/images.zip")
    def download_filtered(
        request: Request, filters: ActiveFilters, cursor: str | None = None, caller: Caller = login
    ) -> Response:
        """Send the images of the newest matching jobs after `cursor`."""

        def iter_jobs(found: Found) -> Iterator[Job]:
            yield from found.jobs
            while found.cursor and not found.stopped_early:
                found = find_jobs(client, filters, found.cursor, caller.sees)
                yield from found.jobs

        # Read before the file begins: an error is a page.
        first = find_jobs(client, filters, cursor, caller.sees)
        return send_zip(
            islice(iter_jobs(first), MAX_READ),
            "images.zip",
            lambda job_id: f"{request.base_url}images.zip?{filters.page_query(job_id)}",
        )

    def send_zip(
        jobs: Iterable[Job],
        name: str,
        find_rest: Callable[[str], str] = lambda _: "select fewer jobs",
    ) -> Response:
        pieces = write_zip(storage, jobs, find_rest)
        response = StreamingResponse(pieces, media_type="application/zip")
        _name_file(response, name)
        response.headers["Cache-Control"] = "private, no-store"
        return response

    return router


def _name_file(response: Response, name: str) -> None:
    """Have browsers save a response under a name, which may have any letters."""
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name)}"
