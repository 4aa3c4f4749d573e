"""Queued jobs for the tests of their order, and what a provider answers them."""

from typing import Any

from imagequeue.jobs.job import Job, State, add_seconds, new_job
from imagequeue.store import keys
from imagequeue.store.jobs import Store
from imagequeue.store.submit.places import get_line, get_quota
from support.clock import Clock

LEASE_S = 25


def add(store: Store, clock: Clock, count: int = 1, **fields: Any) -> list[str]:
    given: dict[str, Any] = {"provider": "kie-flux-kontext", "action": "generate"} | fields
    jobs = [new_job(clock(), delivery="poll", **given) for _ in range(count)]
    store.add(jobs)
    return [job.id for job in jobs]


def start(store: Store, clock: Clock, job_id: str, **fields: Any) -> Job:
    """Record the intent to send a leased job."""
    until = add_seconds(clock(), LEASE_S)
    return store.transition(
        store.get(job_id),
        lambda job: job.transition_to(State.SUBMITTING, "test", clock(), until, **fields),
    )


def move(store: Store, clock: Clock, job_id: str, to: State, **fields: Any) -> Job:
    return store.transition(
        store.get(job_id), lambda job: job.transition_to(to, "test", clock(), clock(), **fields)
    )


def put_back(store: Store, clock: Clock, job_id: str) -> Job:
    """Return the permit of a job that is not sent after all."""
    return store.transition(store.get(job_id), lambda job: job.evolve(clock()))


def ready_key(job: Job) -> str:
    """The sorted set that holds the job while it waits for a permit."""
    return keys.ready(get_quota(job), job.priority, get_line(job))


def answer(store: Store, clock: Clock, job_id: str, to: State = State.WAITING) -> None:
    """Send a leased job, and let the provider answer at once."""
    start(store, clock, job_id)
    move(store, clock, job_id, to)
