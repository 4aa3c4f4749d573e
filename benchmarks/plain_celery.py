"""The wait as most programs use Celery: a task with a countdown, and nothing else."""

from __future__ import annotations

import os
import sys

from celery import Celery

app = Celery("plain", broker=os.environ["PLAIN_BROKER"])
app.conf.update(task_ignore_result=True, task_acks_late=True, worker_prefetch_multiplier=1)


@app.task(name="plain.poll")
def poll(prompt: str) -> None:
    """Stand for a status request that is due in an hour."""


def main() -> None:
    """Send `argv[1]` tasks that are due in an hour, with the prompt `argv[2]`."""
    with app.producer_pool.acquire(block=True) as producer:
        for _ in range(int(sys.argv[1])):
            poll.apply_async((sys.argv[2],), countdown=3600, producer=producer)


if __name__ == "__main__":
    main()
