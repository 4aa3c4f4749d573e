"""Every error a caller can meet, under one base; each says what to change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class ImageQueueError(Exception):
    """The base of all errors raised on purpose."""


class ConfigError(ImageQueueError):
    """The settings or the machine do not allow a start; the message says what to change."""


class RedisUnavailableError(ImageQueueError):
    """Redis could not be reached, or refused to store; nothing was half done."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a request: the field, dotted (`params.size`), and what to change."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class InvalidRequestError(ImageQueueError):
    """The request was refused whole, before anything was queued; `problems` lists every reason."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


class NotDurableError(RedisUnavailableError):
    """Redis has a write that it could not bring to its disk in time."""


class IdempotencyConflictError(ImageQueueError):
    """An idempotency key was used before, for another request; nothing was queued."""

    def __init__(self, places: Sequence[int]) -> None:
        super().__init__(
            "the idempotency key was used for another request: give a new one"
            if places == [0]
            else f"idempotency keys used for other requests, in items {', '.join(map(str, places))}"
        )
        self.places = tuple(places)


class LimitError(ImageQueueError):
    """A caller has sent as many jobs as its key may; nothing was queued."""

    def __init__(self, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """None if to wait is no help: these jobs alone are too many."""


class ApiKeyError(ImageQueueError):
    """There is no API key of this name, or there can be none."""


class UnknownJobError(ImageQueueError):
    """No job has this id; it may have passed its retention."""


class UploadError(ImageQueueError):
    """An input image could not be handed to its provider, and nothing was queued."""


class UnknownCallbackError(ImageQueueError):
    """No callback is kept under this id; it was replayed, or made room for newer ones."""


class InvalidTransitionError(ImageQueueError):
    """The job's state does not allow this move: somebody else was first, or it is over."""
