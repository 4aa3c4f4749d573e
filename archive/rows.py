"""The row of a job: what lists filter by, and the whole record."""

from __future__ import annotations

from typing import Any

from ..jobs.snapshot import Snapshot


def build_row(snapshot: Snapshot) -> dict[str, Any]:
    """Return the columns of a job."""
    job = snapshot.job
    return {
        "id": job.id,
        "state": job.state,
        "reason": job.error.reason if job.error else None,
        "provider": job.provider,
        "action": job.action,
        "model": _clean(str(job.params.get("model", ""))),
        "caller": _clean(job.submitted_by),
        "batch": job.batch,
        "created_at": job.created_at,
        "finished_at": job.updated_at,
        "cost_usd": job.cost.usd,
        "prompt": _clean(job.prompt),
        "metadata": _clean(job.metadata),
        "fingerprint": job.fingerprint or None,
        "record": snapshot.record.decode(),
        "revision": job.revision,
        "read_at": snapshot.read_at,
        "is_restored": False,
    }


def _clean(value: Any) -> Any:
    """Leave out what PostgreSQL's text cannot hold: the record has it all the same."""
    match value:
        case str():
            return value.replace("\0", "")
        case dict():
            return {_clean(name): _clean(each) for name, each in value.items()}
        case list() | tuple():
            return [_clean(each) for each in value]
    return value
