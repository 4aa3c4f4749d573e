"""Jobs that answer a request in place of a new one: by its key, or made for the same request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import redis

from ...errors import IdempotencyConflictError
from ...jobs.idempotency import IdempotencyKey
from ...jobs.job import State
from .. import keys
from ..decoding import decode_id
from ..jobs import IDEMPOTENCY_KEY_TTL_S, Store

Wanted = tuple[str, datetime]
"""A fingerprint, and the time since which its job must have succeeded."""


def find_by_keys(client: redis.Redis, given: Sequence[IdempotencyKey | None]) -> list[str | None]:
    """Return the id under each idempotency key, or None, in one round trip.

    Raises IdempotencyConflictError with the places of keys that belong to another request.
    """
    known = _get_each(client, [key and keys.idempotency_key(key.key) for key in given])
    found = [value.partition(" ") if value else None for value in known]
    conflicts = [
        place
        for place, (key, each) in enumerate(zip(given, found, strict=True))
        if key and each and each[2] != key.digest
    ]
    if conflicts:
        raise IdempotencyConflictError(conflicts)
    return [each and each[0] for each in found]


def claim_keys(
    client: redis.Redis, given: Sequence[IdempotencyKey | None], ids: Sequence[str | None]
) -> list[str | None]:
    """Store each key with its id, unless the key is known, and return the id under it.

    An id without a key is returned as it is. Raises IdempotencyConflictError as `find_by_keys`.
    """
    claimed = [key if each else None for key, each in zip(given, ids, strict=True)]
    store_keys(
        client, [(key, each) for key, each in zip(claimed, ids, strict=True) if key and each]
    )
    by_key = find_by_keys(client, claimed)
    return [one or other for one, other in zip(by_key, ids, strict=True)]


def store_keys(client: redis.Redis, pairs: Sequence[tuple[IdempotencyKey, str]]) -> None:
    """Store each key with its id, unless the key is known."""
    with client.pipeline(transaction=False) as pipe:
        for key, each in pairs:
            name, value = keys.idempotency_key(key.key), f"{each} {key.digest}"
            pipe.set(name, value, nx=True, ex=IDEMPOTENCY_KEY_TTL_S)
        pipe.execute()


def find_made(store: Store, wanted: Sequence[Wanted | None]) -> list[str | None]:
    """Return the id of a job that has succeeded for each fingerprint, or None."""
    known = _get_each(store.redis, [each and keys.made(each[0]) for each in wanted])
    gone = {each[0] for each, job_id in zip(wanted, known, strict=True) if each and not job_id}
    if gone and (archive := store.history.open_archive()):
        made = archive.find_made([*gone])
        known = [
            job_id or (made.get(each[0]) if each else None)
            for each, job_id in zip(wanted, known, strict=True)
        ]
    jobs = {job.id: job for job in store.iter_jobs({job_id for job_id in known if job_id})}

    def choose(each: Wanted | None, job_id: str | None) -> str | None:
        job = jobs.get(job_id) if job_id else None
        is_made = each and job and job.state is State.SUCCEEDED and job.updated_at >= each[1]
        return job_id if is_made else None

    return [choose(each, job_id) for each, job_id in zip(wanted, known, strict=True)]


def _get_each(client: redis.Redis, names: Sequence[str | None]) -> list[str | None]:
    """Return the text under each name, in one round trip; None where there is none."""
    asked = list({name for name in names if name})
    values: Any = client.mget(asked) if asked else []
    found = dict(zip(asked, values, strict=True))
    return [decode_id(value) if name and (value := found.get(name)) else None for name in names]
