"""The value of `--not-before`: an ISO time, or a duration that counts from now."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import click


class StartTime(click.ParamType[datetime | timedelta]):
    """A duration, or a time; one without a time zone is in that of this machine."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime | timedelta:
        """Parse a time or a duration."""
        from ...field_types import parse_duration

        with suppress(ValueError):
            return parse_duration(value)
        try:
            return datetime.fromisoformat(value).astimezone()
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not an ISO time or a duration such as 90s, 30m, 2h or 1d")
