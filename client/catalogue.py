"""Temporary."""

from typing import Literal

Priority = Literal["high", "normal", "low"]
StateName = Literal[
    "queued",
    "submitting",
    "unconfirmed",
    "waiting",
    "overdue",
    "downloading",
    "unsaved",
    "succeeded",
    "failed",
    "cancelled",
]
ReasonName = Literal[
    "policy",
    "bad_input",
    "auth",
    "credit",
    "provider",
    "timed_out",
    "unreadable",
    "unconfirmed",
    "cancelled",
    "unsaved",
]
ActionName = str
ProviderName = str
