"""Requests that must be refused: name, difference from a valid one, field and message."""

from typing import Any

VALID: dict[str, Any] = {"provider": "acedata-flux", "prompt": "a cat"}

INVALID_REQUESTS: list[tuple[str, dict[str, Any], str, str]] = [
    ("unknown provider", {"provider": "kie-flux"}, "provider", "did you mean kie-flux-kontext?"),
    ("unknown action", {"action": "upscale"}, "action", "acedata-flux offers generate, edit"),
    ("empty prompt", {"prompt": ""}, "prompt", "must not be empty"),
    ("blank prompt", {"prompt": " \n"}, "prompt", "must not be empty"),
    ("edit without image", {"action": "edit"}, "image_urls", "is required for this action"),
    (
        "image that is no URL",
        {"action": "edit", "image_urls": ["cat.png"]},
        "image_urls.0",
        "must be an http:// or https:// URL",
    ),
    ("outside an enum", {"params": {"model": "flux-9"}}, "params.model", "flux-kontext-pro"),
    ("outside a range", {"params": {"count": 0}}, "params.count", "greater than or equal to 1"),
    ("unknown parameter", {"params": {"sise": "1:1"}}, "params.sise", "did you mean size?"),
    ("unknown delivery", {"delivery": "pigeon"}, "delivery", "'auto', 'callback' or 'poll'"),
    ("callback to nowhere", {"delivery": "callback"}, "delivery", "IMAGEQUEUE_PUBLIC_URL"),
    ("metadata too large", {"metadata": {"x": "y" * 16384}}, "metadata", "at most 16384 bytes"),
]
NAMES = [name for name, *_ in INVALID_REQUESTS]
