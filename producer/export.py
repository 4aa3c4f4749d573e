"""Jobs as a file, written while they are read: CSV, JSON Lines or Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from importlib import import_module
from itertools import islice
from typing import Any

from ..errors import ConfigError
from ..jobs.job import Job
from .pipe import Pipe

CHUNK = 500
# Rows of a Parquet file are compressed together.
ROW_GROUP = 5000


class ExportFormat(StrEnum):
    """The form of an export."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


MEDIA_TYPES = {
    ExportFormat.CSV: "text/csv; charset=utf-8",
    ExportFormat.JSONL: "application/x-ndjson",
    ExportFormat.PARQUET: "application/vnd.apache.parquet",
}


def write_export(jobs: Iterable[Job], form: ExportFormat) -> Iterator[bytes]:
    """Yield the file in pieces; raises ConfigError if a package is missing for its form."""
    match form:
        case ExportFormat.CSV:
            return _write_csv(jobs)
        case ExportFormat.JSONL:
            return _write_json_lines(jobs)
        case ExportFormat.PARQUET:
            return _write_parquet(jobs, _import_pyarrow())


def _build_row(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "state": job.state.value,
        "reason": job.error.reason.value if job.error and job.error.reason else None,
        "provider": job.provider,
        "action": job.action,
        "model": str(job.params.get("model", "")),
        "caller": job.submitted_by,
        "batch": job.batch,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "cost_usd": job.cost.usd,
        "cost_credits": job.cost.credits,
        "prompt": job.prompt,
        "params": json.dumps(job.params, ensure_ascii=False),
        "metadata": json.dumps(job.metadata, ensure_ascii=False),
        "images": json.dumps([image.uri for image in job.images if image.uri]),
    }


_NAMES = (
    *("id", "state", "reason", "provider", "action", "model", "caller", "batch", "created_at"),
    *("updated_at", "cost_usd", "cost_credits", "prompt", "params", "metadata", "images"),
)


def _write_csv(jobs: Iterable[Job]) -> Iterator[bytes]:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, _NAMES)
    writer.writeheader()
    for chunk in _split(jobs, CHUNK):
        for job in chunk:
            row = _build_row(job)
            times = {name: row[name].isoformat() for name in ("created_at", "updated_at")}
            writer.writerow({**row, **times})
        yield _take(text)
    yield _take(text)


def _take(text: io.StringIO) -> bytes:
    written = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return written


def _write_json_lines(jobs: Iterable[Job]) -> Iterator[bytes]:
    for chunk in _split(jobs, CHUNK):
        yield "".join(f"{job.model_dump_json(by_alias=True)}\n" for job in chunk).encode()


def _write_parquet(jobs: Iterable[Job], pa: Any) -> Iterator[bytes]:
    kinds = {
        "created_at": pa.timestamp("ms", tz="UTC"),
        "updated_at": pa.timestamp("ms", tz="UTC"),
        "cost_usd": pa.float64(),
        "cost_credits": pa.float64(),
    }
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in _NAMES])
    sink = Pipe()
    with pa.parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        for chunk in _split(jobs, ROW_GROUP):
            rows = [_build_row(job) for job in chunk]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            yield sink.take()
    yield sink.take()


def _import_pyarrow() -> Any:
    try:
        import_module("pyarrow.parquet")
        return import_module("pyarrow")
    except ModuleNotFoundError:
        raise ConfigError("parquet needs pyarrow: install `imagequeue[parquet]`") from None


def _split(jobs: Iterable[Job], size: int) -> Iterator[list[Job]]:
    remaining = iter(jobs)
    while chunk := list(islice(remaining, size)):
        yield chunk
