"""The three steps of a job with aiohttp, one session a process."""

from __future__ import annotations

import hashlib
import ssl
from functools import cache

import aiohttp
from settings import CA_FILE, CHUNK_BYTES, IMAGES, PROVIDER

TIMEOUT = aiohttp.ClientTimeout(total=20)


@cache
def _session() -> aiohttp.ClientSession:
    trusted = ssl.create_default_context(cafile=CA_FILE) if CA_FILE else True
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=trusted),
        timeout=TIMEOUT,
        raise_for_status=True,
        read_bufsize=CHUNK_BYTES,
    )


async def send_order(prompt: str) -> str:
    """Send the paid request; returns the task's id."""
    body = {"action": "generate", "prompt": prompt, "model": "flux-dev", "async": True}
    async with _session().post(f"{PROVIDER}/flux/images", json=body) as response:
        return (await response.json())["task_id"]


async def find_url(task_id: str) -> str | None:
    """Return the image's URL, or None while there is none."""
    body = {"action": "retrieve", "id": task_id}
    async with _session().post(f"{PROVIDER}/flux/tasks", json=body) as response:
        images = (await response.json())["response"].get("data")
    return images[0]["image_url"] if images else None


async def save(name: str, url: str) -> str:
    """Save the image; returns its SHA-256."""
    digest = hashlib.sha256()
    async with _session().get(url) as response:
        with (IMAGES / f"{name}.png").open("wb") as file:
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                digest.update(chunk)
                file.write(chunk)
    return digest.hexdigest()
