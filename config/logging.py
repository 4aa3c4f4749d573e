"""Logs that carry the job: a line of text or a JSON object for each event, on standard error."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from typing import Any

import structlog
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars
from structlog.stdlib import ProcessorFormatter

from .settings import Settings
from .tracing import find_trace_id

PER_CAUSE_S = 60.0
MAX_CAUSES = 1000
# What these say can be repeated from outside, or thousands of times in an outage.
FLOODED = (
    "asyncio",
    "uvicorn.error",
    "imagequeue.producer.api.changes",
    "imagequeue.store.due.dispatcher",
    "imagequeue.worker.sweep",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
)
# While no Redis takes writes, Celery connects 20 times a second, and logs a traceback each second;
# kombu cannot refresh its list of queues then, and does so later.
RECONNECTING = ("celery.worker.consumer.consumer", "kombu.transport.redis")

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


class OnePerMinute(logging.Filter):
    """Lets one record a minute through for each cause, so that strangers cannot fill a disk."""

    def __init__(self) -> None:
        super().__init__()
        self._logged_at: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record's cause was not logged within the last minute."""
        fields = record.msg if isinstance(record.msg, dict) else {"event": record.msg}
        error = type(record.exc_info[1]).__name__ if record.exc_info else fields.get("error")
        cause = (str(fields.get("event"))[:100], str(error)[:100])
        now = time.monotonic()
        is_new = now - self._logged_at.get(cause, -PER_CAUSE_S) >= PER_CAUSE_S
        if is_new and (len(self._logged_at) < MAX_CAUSES or cause in self._logged_at):
            self._logged_at[cause] = now
        return is_new


class OneLinePerMinute(OnePerMinute):
    """Leaves the tracebacks out as well: the message has the error."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is logged, as one line."""
        record.exc_info = None
        return super().filter(record)


class SafeHandler(logging.StreamHandler[Any]):
    """Writes to standard error and never raises: a full disk must not stop a paid job."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or drop it; without this, a RecursionError would get through."""
        with suppress(Exception):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's own name
        """Do nothing: the report would go to the stream that has just failed."""


if not structlog.is_configured():
    # Commands and programs that import the client: standard output is theirs.
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


def configure_logs(settings: Settings) -> None:
    """Send every log, Celery's and uvicorn's included, through one handler and one format."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *([_add_trace_id] if settings.traces else []),
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
    for names, kind in ((FLOODED, OnePerMinute), (RECONNECTING, OneLinePerMinute)):
        for name in names:
            if not any(isinstance(each, kind) for each in logging.getLogger(name).filters):
                logging.getLogger(name).addFilter(kind())
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


def _add_trace_id(_: Any, __: str, event: Event) -> Event:
    """Add the id of the job's trace, by which a line is found from its span."""
    if trace_id := find_trace_id(str(event.get("job_id", ""))):
        event["trace_id"] = f"{trace_id:032x}"
    return event


def _escape_event(_: Any, __: str, event: Event) -> Event:
    """Keep the message of another library on one line, like the values."""
    text = str(event["event"])
    event["event"] = text if text.isprintable() else repr(text)
    return event
