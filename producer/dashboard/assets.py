"""The page's style, script and icon, each under a URL that changes with its bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from fastapi import HTTPException
from fastapi.responses import Response

FOLDER = Path(__file__).with_name("static")
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# What is under a URL with a digest in it never changes.
FOR_EVER = "public, max-age=31536000, immutable"


class Asset(NamedTuple):
    """One file, and the digest of it that its URL carries."""

    content: bytes
    digest: str
    media_type: str


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(content, hashlib.sha256(content).hexdigest()[:16], TYPES[path.suffix])


ASSETS = {path.name: _read(path) for path in FOLDER.iterdir() if path.suffix in TYPES}


def asset_url(name: str) -> str:
    """Where a file is served, as long as it has these bytes."""
    return f"/static/{ASSETS[name].digest}/{name}"


def answer(digest: str, name: str) -> Response:
    """A file; raises HTTPException 404 also for another version of it than ours.

    Ours under the digest of another would be cached for a year as what it is not.
    """
    asset = ASSETS.get(name)
    if asset is None or asset.digest != digest:
        raise HTTPException(404, f"there is no {name} of this version here: load the page again")
    headers = {"Cache-Control": FOR_EVER, "X-Content-Type-Options": "nosniff"}
    return Response(asset.content, headers=headers, media_type=asset.media_type)
