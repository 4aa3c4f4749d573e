"""Logs that carry the job: one line for people or one JSON object, on standard error."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import structlog

from .settings import Settings

# Their request lines hold callback URLs, and with them the tokens that open a job.
SILENCED = ("uvicorn.access",)

# What would not be read as one word, or as the value that it is.
NOT_PLAIN = re.compile(r"[ '=]")

Logger = structlog.typing.FilteringBoundLogger

# One variable for all of it: structlog's own has one for each name, and looks at every variable of
# the thread for each line.
_about: ContextVar[Mapping[str, object]] = ContextVar("about", default={})  # noqa: B039


def get_logger(name: str) -> Logger:
    """A logger whose events take keywords: `log.info("stored", bytes=512)`."""
    logger: Logger = structlog.get_logger(name)
    return logger


@contextmanager
def log_context(**about: object) -> Iterator[None]:
    """Let every line that this thread logs carry these values."""
    token = _about.set({**_about.get(), **about})
    try:
        yield
    finally:
        _about.reset(token)


def add_to_log(**about: object) -> None:
    """Let the lines carry these as well, until the `log_context` around this is left."""
    _about.set({**_about.get(), **about})


def _with_about(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {**_about.get(), **event}


class _Writer(structlog.WriteLogger):
    """Writes to standard error; standard logging below it would double what a line costs."""

    def __init__(self, name: str) -> None:
        super().__init__(sys.stderr)
        self.name = name


def for_people(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    """An event on one line: when, how bad, what, where, the rest by name; a traceback below."""
    at, level, what = event.pop("timestamp", ""), event.pop("level", ""), event.pop("event", "")
    where, traceback = event.pop("logger", ""), event.pop("exception", "")
    rest = " ".join([f"{name}={_value(event[name])}" for name in sorted(event)])
    line = f"{at} [{level:<9}] {what:<30} [{where}] {rest}".rstrip()
    return f"{line}\n{traceback}" if traceback else line


def _value(value: object) -> str:
    """Quoted where it is more than one word, or would break the line."""
    if isinstance(value, str) and value and value.isprintable() and not NOT_PLAIN.search(value):
        return value
    return repr(value)


def configure_logs(settings: Settings) -> None:
    """Send every log, Celery's and uvicorn's included, through one format."""
    shared: list[structlog.typing.Processor] = [
        _with_about,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if settings.log_format == "json" else for_people
    )
    structlog.configure(
        processors=[*shared, renderer],
        logger_factory=_Writer,
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name in ("uvicorn", "uvicorn.error", "celery", "celery.task"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # At DEBUG they print arguments and signed paths.
    for name in ("urllib3", "celery.concurrency"):
        logging.getLogger(name).setLevel(max(logging.INFO, root.level))
    for name in SILENCED:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = False
