"""Logs that carry the job: a line of text or a JSON object for each event, on standard error."""

from __future__ import annotations

import logging
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from typing import Any

import structlog
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars
from structlog.stdlib import ProcessorFormatter

from .settings import Settings

# Their request lines contain callback URLs, and with them the tokens that open a job.
SILENCED = ("uvicorn.access",)

Logger = structlog.typing.FilteringBoundLogger
Event = MutableMapping[str, Any]


def get_logger(name: str) -> Logger:
    """Return a logger whose events take keywords: `log.info("image_saved", bytes=512)`."""
    logger: Logger = structlog.get_logger(name)
    return logger


@contextmanager
def log_context(**values: object) -> Iterator[None]:
    """Add these values to every line that this thread logs inside the block."""
    outer = get_contextvars()
    bind_contextvars(**values)
    try:
        yield
    finally:
        clear_contextvars()
        bind_contextvars(**outer)


def add_log_context(**values: object) -> None:
    """Add these values to the lines of the `log_context` block around the call."""
    bind_contextvars(**values)


class SafeHandler(logging.StreamHandler[Any]):
    """Writes to standard error and never raises: a full disk must not stop a paid job."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or drop it."""
        with suppress(Exception):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's own name
        """Do nothing: the report would go to the stream that has just failed."""


def configure_logs(settings: Settings) -> None:
    """Send every log, Celery's and uvicorn's included, through one handler and one format."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        cache_logger_on_first_use=True,
    )
    handler = SafeHandler()
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[ProcessorFormatter.remove_processors_meta, *_build_renderers(settings)],
        )
    )
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
        # Without any handler, logging's last resort would print warnings.
        logging.getLogger(name).handlers[:] = [logging.NullHandler()]
        logging.getLogger(name).propagate = False


def _build_renderers(settings: Settings) -> list[structlog.typing.Processor]:
    if settings.log_format == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    return [
        _escape_event,
        structlog.dev.ConsoleRenderer(
            colors=False,
            # Values in quotes: nothing in them can break or forge a line.
            repr_native_str=True,
            exception_formatter=structlog.dev.plain_traceback,
        ),
    ]


def _escape_event(_: Any, __: str, event: Event) -> Event:
    """Keep the message of another library on one line, like the values."""
    text = str(event["event"])
    event["event"] = text if text.isprintable() else repr(text)
    return event
