"""Records of earlier releases are upgraded, and those of later ones are left as they are."""

import json
from datetime import timedelta

import pytest

from imagequeue.errors import NewerRecordError
from imagequeue.jobs.job import State
from imagequeue.store import keys
from imagequeue.store.codec import VERSION, dump
from imagequeue.worker.context import Context
from support.jobs import move, queued

# As the release before wrote it, without a version and under former names.
FORMER = {
    "rev": "0a1b2c3d4e5f",
    "state": "waiting",
    "provider": "kie-flux-kontext",
    "action": "generate",
    "prompt": "a cat",
    "delivery": "poll",
    "task_id": "task-1",
    "created_at": 1763640000000,
    "wake_at": 1763640001000,
    "dialect": "legacy",
    "submissions": 1,
    "log": [[1763640000500, "submitting", "submit"], [1763640001000, "waiting", "accepted"]],
}


def test_older_process_does_not_change_a_newer_record(ctx: Context) -> None:
    job = ctx.store.get(queued(ctx))
    move(ctx, job.id, State.CANCELLED)
    record = dump(ctx.store.get(job.id)).replace(b'"v":%d' % VERSION, b'"v":%d' % (VERSION + 1))
    ctx.store.redis.set(keys.record(job.id), record)
    with pytest.raises(NewerRecordError, match="update it"):
        ctx.store.transition(
            job, lambda each: each.transition_to(State.FAILED, "", ctx.now(), ctx.now())
        )
    assert ctx.store.redis.get(keys.record(job.id)) == record


def test_record_of_the_release_before_is_upgraded(ctx: Context) -> None:
    job_id = "job_01KAJ6WRX0M9S3H1V5T7Q2Z4CD"
    ctx.store.redis.set(
        keys.record(job_id), json.dumps({**FORMER, "id": job_id}, separators=(",", ":"))
    )
    job = ctx.store.get(job_id)
    changed = job.transition_to(State.OVERDUE, "test", ctx.now(), ctx.now() + timedelta(seconds=9))
    assert ctx.store.transition(job, lambda _: changed) == changed
    record = json.loads(ctx.store.redis.get(keys.record(job_id)))
    assert (record["v"], record["api_version"], "dialect" in record) == (VERSION, "legacy", False)
    assert ctx.store.get(job_id) == changed
