"""Traces: one for each job, from its request to its saved images, over all processes.

The number in a job's id is the id of its trace, so no message has to carry it along.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode
from ulid import ULID

from ..errors import ConfigError

SAMPLED = trace.TraceFlags(trace.TraceFlags.SAMPLED)
JOB_SPAN = "job"
Attributes = dict[str, str | int | bool]

_root: ContextVar[SpanContext | None] = ContextVar("root", default=None)
"""The ids of the span that is about to be made; None for one with ids of its own."""


def start_tracing() -> None:
    """Send the spans of this process by OTLP, as the variables OTEL_… say; raises ConfigError."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    except ImportError:
        raise ConfigError("IMAGEQUEUE_TRACES needs `pip install imagequeue[traces]`") from None

    class Ids(RandomIdGenerator):
        """Random ids, except for the span of a whole job."""

        def generate_trace_id(self) -> int:
            root = _root.get()
            return root.trace_id if root else super().generate_trace_id()

        def generate_span_id(self) -> int:
            root = _root.get()
            return root.span_id if root else super().generate_span_id()

    # OTEL_SERVICE_NAME goes before this name.
    resource = Resource({"service.name": "imagequeue"}).merge(Resource.create())
    provider = TracerProvider(resource=resource, id_generator=Ids())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def is_tracing() -> bool:
    """Whether this process records spans; if not, none is made, which would cost as much CPU."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


@contextmanager
def span(name: str, job_id: str, kind: SpanKind = SpanKind.INTERNAL) -> Iterator[Span]:
    """Record what happens to a job inside the block; an error that leaves it is named."""
    if not is_tracing():
        yield trace.INVALID_SPAN
        return
    parent = trace.get_current_span()
    if parent.get_span_context().trace_id != find_trace_id(job_id):
        parent = NonRecordingSpan(_find_root(job_id))
    with _get_tracer().start_as_current_span(
        name,
        trace.set_span_in_context(parent, Context()),
        kind,
        {"imagequeue.job": job_id},
        # Its message may be long, and is in the log.
        record_exception=False,
        set_status_on_exception=False,
    ) as made:
        try:
            yield made
        except Exception as error:
            made.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def add_to_span(**attributes: str | int) -> None:
    """Add attributes to the span of the block around the call."""
    for name, value in attributes.items():
        trace.get_current_span().set_attribute(f"imagequeue.{name}", value)


def record_span(name: str, job_id: str, started: datetime, ended: datetime) -> None:
    """Record what has happened to a job."""
    parent = trace.set_span_in_context(NonRecordingSpan(_find_root(job_id)), Context())
    made = _get_tracer().start_span(name, parent, start_time=_to_ns(started))
    made.end(_to_ns(ended))


def record_job(
    job_id: str, started: datetime, ended: datetime, attributes: Attributes, error: str = ""
) -> None:
    """Record the span of a whole job, to which all its other spans belong."""
    token = _root.set(_find_root(job_id))
    try:
        made = _get_tracer().start_span(
            JOB_SPAN, Context(), attributes=attributes, start_time=_to_ns(started)
        )
    finally:
        _root.reset(token)
    if error:
        made.set_status(Status(StatusCode.ERROR, error))
    made.end(_to_ns(ended))


def find_trace_id(job_id: str) -> int:
    """Return the id of a job's trace, 128 bits; 0 for what is no job."""
    kind, _, ulid = job_id.partition("_")
    try:
        return int(ULID.from_str(ulid)) if kind == "job" else 0
    except ValueError:
        return 0


def _find_root(job_id: str) -> SpanContext:
    trace_id = find_trace_id(job_id)
    # The random half of the id; no span may have the id 0.
    span_id = trace_id & (1 << 64) - 1 or 1
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=SAMPLED)


def _get_tracer() -> trace.Tracer:
    return trace.get_tracer("imagequeue")


def _to_ns(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1000
