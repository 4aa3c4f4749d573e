"""The queue at IMAGEQUEUE_URL, with the methods of the local client that the commands use."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ...errors import InvalidRequestError, Problem

if TYPE_CHECKING:
    from ...client._sync.results import Job
    from ...client.results import Batch, RefusedJob, Upload
    from ...jobs.filter import JobConditions

URL_VARIABLE, REDIS_VARIABLE = "IMAGEQUEUE_URL", "IMAGEQUEUE_REDIS_URL"
ENV_FILE = ".env"
MAX_IN_BATCH = 5000


class RemotePage(NamedTuple):
    """Jobs in order; there is no cursor, because a larger limit reads more."""

    jobs: list[Job]
    cursor: None = None


class RemoteBatch(NamedTuple):
    """A batch as it was accepted."""

    batch: Batch
    jobs: list[str | None]
    refused: list[RefusedJob]


def is_remote() -> bool:
    """Return whether commands go to IMAGEQUEUE_URL: not if a Redis is set."""
    from dotenv import dotenv_values

    if not os.environ.get(URL_VARIABLE) or os.environ.get(REDIS_VARIABLE):
        return False
    return not dotenv_values(ENV_FILE, encoding="utf-8-sig").get(REDIS_VARIABLE)


class RemoteClient:
    """Submits, lists, waits for and changes jobs over HTTP."""

    def __init__(self) -> None:
        from ...client.client import Client

        self.http = Client()

    def submit(self, provider: str, prompt: str, **options: Any) -> Job:
        """Queue one job; raises what `Client.submit` raises."""
        if isinstance(options.get("not_before"), timedelta):
            options["not_before"] = datetime.now(UTC) + options["not_before"]
        given: Any = {name: each for name, each in options.items() if each}
        submit: Any = self.http.submit  # the queue knows which names are right
        job: Job = submit(provider, prompt, **given)
        return job

    def submit_batch(
        self,
        requests: Sequence[Any],
        *,
        on_error: str,
        idempotency_key: str | None,
        files: bool = True,
    ) -> RemoteBatch:
        """Queue up to 5,000 jobs as one batch, with the files that they name."""
        if not 0 < len(requests) <= MAX_IN_BATCH:
            raise click.UsageError(f"a batch has 1 to {MAX_IN_BATCH} lines")
        from ...client.responses import locate

        # The queue refuses an item that is not an object, and names its line.
        items: Any = [each if isinstance(each, dict) else {} for each in requests]
        refused: list[RefusedJob] = []
        jobs: list[str | None] = [None] * len(items)
        batch_id = ""
        try:
            for accepted in self.http.submit_many(
                items,
                on_refused=refused.append if on_error == "skip" else None,
                chunk_size=MAX_IN_BATCH,
                idempotency_key=idempotency_key,
            ):
                jobs[accepted.index], batch_id = accepted.id, accepted.batch
            if not batch_id:
                raise locate(refused)
        except InvalidRequestError as error:
            raise InvalidRequestError([_strip(each) for each in error.problems]) from None
        return RemoteBatch(self.http.batch(batch_id), jobs, refused)

    def upload(self, file: str) -> Upload:
        """Store an image."""
        return self.http.upload(file)

    def get(self, job_id: str) -> Job:
        """Return a job, with where it stands."""
        return self.http.get(job_id)

    def get_many(self, job_ids: Sequence[str]) -> list[Job]:
        """Return jobs in this order."""
        found = {job.id: job for job in self.http.get_many(job_ids)}
        return [found[job_id] for job_id in job_ids]

    def batch(self, batch_id: str) -> Batch:
        """Return the progress of a batch."""
        return self.http.batch(batch_id)

    def iter_batches(self, limit: int) -> Iterator[Batch]:
        """Yield the newest batches."""
        return self.http.batches(limit=limit)

    def list(self, *, chosen: JobConditions, limit: int, cursor: str | None = None) -> RemotePage:
        """Return the newest jobs of a state and a provider."""
        others = chosen.model_fields_set - {"state", "provider"}
        if cursor is not None or others:
            needed = "--cursor" if cursor is not None else f"--{min(others)}".replace("_", "-")
            raise click.UsageError(f"{needed} needs the queue's Redis; {URL_VARIABLE} is set")
        given: Any = {"state": chosen.state, "provider": chosen.provider}
        return RemotePage([*self.http.list(**given, limit=limit)])

    def wait(self, job_id: str) -> Job:
        """Return a job once it is finished."""
        return self.http.wait(job_id, timeout_s=None)

    def as_completed(self, job_ids: Sequence[str], timeout_s: float | None = None) -> Iterator[Job]:
        """Yield each job as it finishes; raises TimeoutError."""
        return self.http.as_completed(job_ids, timeout_s=timeout_s)

    def change(self, action: str, job_id: str, *, pay_again: bool) -> Job:
        """Cancel, retry or acknowledge a job."""
        if action == "retry":
            return self.http.retry(job_id, pay_again=pay_again)
        return self.http.cancel(job_id) if action == "cancel" else self.http.acknowledge(job_id)


def _strip(problem: Problem) -> Problem:
    return Problem(problem.field.removeprefix("requests."), problem.message)
