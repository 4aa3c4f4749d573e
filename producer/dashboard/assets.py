"""The dashboard's style, script and icon, under URLs that contain a digest of the content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from fastapi import HTTPException
from fastapi.responses import Response

FOLDER = Path(__file__).with_name("static")
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# The content of a URL with a digest never changes.
IMMUTABLE = "public, max-age=31536000, immutable"


class Asset(NamedTuple):
    """A static file, and the digest in its URL."""

    content: bytes
    digest: str
    media_type: str


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(content, hashlib.sha256(content).hexdigest()[:16], TYPES[path.suffix])


def _list_files() -> Iterator[Path]:
    yield from (path for path in FOLDER.iterdir() if path.suffix in TYPES)
    # Of this package only the files of Swagger UI are used, for `/docs`.
    package = Path(str(files("fastapi_offline")))
    yield from (package / "static" / f"swagger-ui{end}" for end in (".css", "-bundle.js"))


ASSETS = {path.name: _read(path) for path in _list_files()}


def asset_url(name: str) -> str:
    """Return the URL path of a file's current content."""
    return f"/static/{ASSETS[name].digest}/{name}"


def serve_asset(digest: str, name: str) -> Response:
    """Return a file; raises HTTPException 404 for an unknown file or digest.

    Another version's URL must not be answered: browsers would cache the wrong content for a year.
    """
    asset = ASSETS.get(name)
    if asset is None or asset.digest != digest:
        raise HTTPException(404, f"this version of {name} does not exist: reload the page")
    headers = {"Cache-Control": IMMUTABLE}
    return Response(asset.content, headers=headers, media_type=asset.media_type)
