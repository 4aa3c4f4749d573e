"""The time of `--not-before`: an ISO time, or a duration from now on."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import click

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"([0-9]{1,6})([smhd])")


class StartTime(click.ParamType[datetime | timedelta]):
    """A duration, or a time; one without a time zone is in that of this machine."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime | timedelta:
        """Return what a text says."""
        if duration := _DURATION.fullmatch(value):
            return timedelta(**{UNITS[duration[2]]: int(duration[1])})
        try:
            return datetime.fromisoformat(value).astimezone()
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no ISO time and no duration such as 90s, 30m, 2h or 1d")
