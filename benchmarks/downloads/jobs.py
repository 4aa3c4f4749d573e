"""Jobs whose result URLs are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import redis

from imagequeue.jobs.job import Image, Job, State, add_seconds, new_job
from imagequeue.store import keys
from imagequeue.store.jobs import Store

PROMPT = ("a lighthouse in a storm, oil on canvas, " * 8)[:300]
BATCH = 500


def make_downloading_job(
    now: datetime, make_urls: Callable[[str], Sequence[str]], due: datetime, lifetime_s: float
) -> Job:
    """Return a job that is due at `due`; `make_urls` returns the result URLs for its id."""
    job = new_job(
        now, provider="kie-midjourney", action="generate", prompt=PROMPT, delivery="callback"
    )
    sent = job.transition_to(State.SUBMITTING, "submit", now, now)
    accepted = sent.transition_to(State.WAITING, "accepted", now, now, task_id=job.id.lower())
    expires_at = add_seconds(now, lifetime_s)
    urls = enumerate(make_urls(job.id))
    images = [Image(index=n, source_url=url, expires_at=expires_at) for n, url in urls]
    return accepted.transition_to(State.DOWNLOADING, "callback", now, due, images=tuple(images))


def add_downloading_jobs(store: Store, client: redis.Redis, jobs: Sequence[Job]) -> None:
    """Store jobs, with the deadlines that their transition to `downloading` would have written."""
    for at in range(0, len(jobs), BATCH):
        store.add(jobs[at : at + BATCH])
    deadlines = {job.id: job.deadline.timestamp() for job in jobs if job.deadline}
    if deadlines:
        client.zadd(keys.DEADLINES, deadlines)
