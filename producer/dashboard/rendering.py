"""Render templates to HTML responses: everything is escaped, only own scripts run."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from ...jobs.job import State, utc_now
from ...providers import PROVIDERS
from ..commands import STATES_FOR
from ..delivery_text import describe_delivery
from ..position_text import describe_position
from . import formatting, state_text
from .assets import asset_url
from .timeline import build_timeline, format_duration

# Markup injected by a prompt or a provider can load no script, frame or form.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
PAGE_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    # Not `no-referrer`: browsers would then hide the origin of our own forms from us.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
    "Vary": "Cookie",
}

templates = Environment(
    loader=PackageLoader(__name__.rpartition(".")[0]),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _is_in_field(place: str, field: str) -> bool:
    """Return whether a problem's place is a field or in it; files are named `image`."""
    if place.partition(".")[0] == "image":
        return field == "image_urls"
    return place == field or (field != "params" and place.startswith(f"{field}."))


templates.tests["in_field"] = _is_in_field
templates.globals.update(
    asset_url=asset_url,
    formatting=formatting,
    describe_delivery=describe_delivery,
    describe_position=describe_position,
    now=utc_now,
    state_text=state_text,
    build_timeline=build_timeline,
    format_duration=format_duration,
    STATES=list(State),
    STATES_FOR=STATES_FOR,
    PROVIDERS=list(PROVIDERS),
)


def allow_images(page: HTMLResponse, origins: Collection[str]) -> None:
    """Let a page load images from these sites, such as `https://images.example`, too."""
    sources = " ".join(["img-src 'self'", *sorted(origins)])
    policy = CONTENT_SECURITY_POLICY.replace("img-src 'self'", sources)
    page.headers["Content-Security-Policy"] = policy


def render(template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """Render a template as a response."""
    html = templates.get_template(template).render(context)
    return HTMLResponse(html, status, PAGE_HEADERS)
