"""Programs that use OpenAI's SDK, and jobs that end beside them."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from imagequeue.jobs.job import Image, JobError, Reason, State
from imagequeue.worker.context import Context
from support.jobs import move
from support.s3 import keep
from support.worker.downloads import make_image

KEY = "a-key-of-a-program"
PNG = make_image("PNG")


def finish(ctx: Context, job_id: str, *contents: bytes, origins: int = 0) -> None:
    """Let a queued job succeed with these images, or with one; the first may be no results."""
    images = [
        Image(
            index=index,
            kind="origin" if index < origins else "result",
            source_url=f"https://x/{index}",
            expires_at=ctx.now() + timedelta(hours=1),
            state="stored",
            sha256=hashlib.sha256(content).hexdigest(),
            bytes=len(content),
            content_type="image/png",
            uri=keep(ctx.storage, f"{job_id}/{index}.png", content, "image/png"),
        )
        for index, content in enumerate(contents or (PNG,))
    ]
    states = (State.SUBMITTING, State.DOWNLOADING, State.SUCCEEDED)
    move(ctx, job_id, *states, images=tuple(images))


def fail(ctx: Context, job_id: str, reason: Reason = Reason.PROVIDER) -> None:
    """Let a queued job fail."""
    error = JobError(reason=reason, code="451", message="the provider's words")
    move(ctx, job_id, State.SUBMITTING, State.FAILED, error=error)


@contextmanager
def ending(ctx: Context, end: Callable[[Context, str], None] = finish) -> Iterator[list[str]]:
    """Bring each queued job to its end as soon as it is there; yields the ids of all of them."""
    ended: list[str] = []
    is_over = threading.Event()

    def work() -> None:
        while not is_over.wait(0.02):
            for job in reversed(ctx.store.list(State.QUEUED).jobs):
                end(ctx, job.id)
                ended.append(job.id)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield ended
    finally:
        is_over.set()
        thread.join()
