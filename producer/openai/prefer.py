"""The header `Prefer` (RFC 7240): how long to wait, and whether to answer before the images."""

from __future__ import annotations

import re
from typing import NamedTuple

_WAIT = re.compile(r"wait=\"?([0-9]{1,6})\"?")


class Preferences(NamedTuple):
    """What a caller prefers."""

    is_async: bool
    """Whether to answer 202 if the images are not there in time."""
    wait_s: float


def parse_preferences(header: str, max_wait_s: float) -> Preferences:
    """Return what the header says; what it does not know is ignored, as the RFC wants it."""
    wishes = [each.strip().lower() for each in re.split("[,;]", header)]
    is_async = "respond-async" in wishes
    waits = [float(found[1]) for each in wishes if (found := _WAIT.fullmatch(each))]
    return Preferences(is_async, min([*waits, max_wait_s]) if waits or not is_async else 0.0)
