"""The options that select jobs, which several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

FILTERS = {
    "batch": "Jobs of this batch.",
    "state": "Jobs in this state.",
    "provider": "Jobs of this provider.",
    "model": "Jobs with this parameter `model`.",
    "caller": "Jobs submitted by this API key or program.",
    "reason": "Jobs that failed for this reason.",
    "words": "Jobs with each of these words in their prompt, id or metadata.",
    "since": "Jobs created since a time (UTC), or so long ago: 30m, 2h, 7d.",
    "until": "Jobs created before a time (UTC).",
    "metadata": "Jobs with NAME=VALUE in their metadata; may be repeated.",
    "min-usd": "Jobs that cost at least this.",
    "max-usd": "Jobs that cost at most this.",
}
_OPTIONS: dict[str, dict[str, Any]] = {
    "metadata": {"multiple": True, "metavar": "NAME=VALUE"},
    "min-usd": {"type": float},
    "max-usd": {"type": float},
}


def takes_filters(command: Callable[..., None]) -> Callable[..., None]:
    """Add the filters to a command, which all have to match."""
    for name, text in reversed(FILTERS.items()):
        command = click.option(f"--{name}", help=text, **_OPTIONS.get(name, {}))(command)
    return command


def read_filters(options: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of the filters that were given; raises InvalidRequestError."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    if "metadata" in given:
        from ...jobs.filter import parse_metadata

        given["metadata"] = parse_metadata(given["metadata"])
    return given
