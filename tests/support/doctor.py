"""What `imagequeue doctor` reports."""

from collections.abc import Callable
from typing import NamedTuple


class Report(NamedTuple):
    status: int
    failed: dict[str, str]
    """The message of each failed check."""
    ok: dict[str, str]


Overrides = dict[str, str]
Doctor = Callable[..., Report]
