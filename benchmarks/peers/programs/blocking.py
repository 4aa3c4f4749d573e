"""The three steps of a job with requests, one session a thread."""

from __future__ import annotations

import hashlib
import threading

import requests
from settings import CA_FILE, CHUNK_BYTES, IMAGES, PROVIDER

TIMEOUT_S = 20

_local = threading.local()


def _session() -> requests.Session:
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
        _local.session.trust_env = False
        _local.session.verify = CA_FILE or True
    return _local.session


def send_order(prompt: str) -> str:
    """Send the paid request; returns the task's id."""
    body = {"action": "generate", "prompt": prompt, "model": "flux-dev", "async": True}
    response = _session().post(f"{PROVIDER}/flux/images", json=body, timeout=TIMEOUT_S)
    response.raise_for_status()
    return response.json()["task_id"]


def find_url(task_id: str) -> str | None:
    """Return the image's URL, or None while there is none."""
    body = {"action": "retrieve", "id": task_id}
    response = _session().post(f"{PROVIDER}/flux/tasks", json=body, timeout=TIMEOUT_S)
    response.raise_for_status()
    images = response.json()["response"].get("data")
    return images[0]["image_url"] if images else None


def save(name: str, url: str) -> str:
    """Save the image; returns its SHA-256."""
    digest = hashlib.sha256()
    with _session().get(url, stream=True, timeout=TIMEOUT_S) as response:
        response.raise_for_status()
        with (IMAGES / f"{name}.png").open("wb") as file:
            for chunk in response.iter_content(CHUNK_BYTES):
                digest.update(chunk)
                file.write(chunk)
    return digest.hexdigest()
