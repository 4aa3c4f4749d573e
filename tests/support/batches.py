"""Batches that tests send over HTTP."""

from typing import Any

import requests

GOOD: dict[str, Any] = {"provider": "acedata-flux", "prompt": "a cat"}


def numbered(count: int) -> list[dict[str, Any]]:
    return [{**GOOD, "metadata": {"n": n}} for n in range(count)]


def post(api: str, items: Any, key: str = "", **more: Any) -> requests.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return requests.post(api, json={"items": items, **more}, headers=headers, timeout=60)
