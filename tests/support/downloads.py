"""Jobs whose images are to be downloaded, and their messages."""

from io import BytesIO

from PIL import Image as Picture

from imagequeue.config.queues import Queue
from imagequeue.jobs.job import Image, Job, State, add_seconds, new_job
from imagequeue.store import keys
from imagequeue.store.due.dispatcher import NORMAL_SHARE
from imagequeue.store.due.wakeups import Priority
from imagequeue.worker.context import Context
from support.stub import Stub

LISTS = {Priority.NORMAL: "download", Priority.LOW: "download\x06\x161"}


def downloading(ctx: Context, lives_s: list[float], url: str, due_in_s: float = 0) -> list[Job]:
    """Add jobs with one image each, in the state that transitions would have left them in."""
    now = ctx.now()
    jobs = []
    for nth, each_s in enumerate(lives_s):
        job = new_job(now, provider="kie-flux-kontext", action="generate", delivery="callback")
        sent = job.transition_to(State.SUBMITTING, "submit", now, now)
        taken = sent.transition_to(State.WAITING, "accepted", now, now, task_id=f"task-{job.id}")
        image = Image(index=0, source_url=f"{url}/{nth}", expires_at=add_seconds(now, each_s))
        due = add_seconds(now, due_in_s)
        jobs.append(taken.transition_to(State.DOWNLOADING, "callback", now, due, images=(image,)))
    for at in range(0, len(jobs), 500):
        ctx.store.add(jobs[at : at + 500])
    deadlines = {job.id: job.deadline.timestamp() for job in jobs if job.deadline}
    ctx.store.redis.zadd(keys.DEADLINES, deadlines)
    return jobs


def count_messages(ctx: Context) -> tuple[int, int]:
    """Return how many NORMAL and LOW messages the download queue has."""
    urgent, patient = (int(ctx.store.redis.llen(LISTS[lane])) for lane in Priority)
    return urgent, patient


def picture() -> bytes:
    buffer = BytesIO()
    Picture.effect_noise((8, 6), 80).save(buffer, "PNG")
    return buffer.getvalue()


def fetched(stub: Stub) -> list[str]:
    return [url for method, url, _ in stub.asked if method == "GET"]


def sweep_until_full(ctx: Context) -> list[str]:
    """Sweep the download queue until it is full or nothing is due; return the ids."""
    dispatched: list[str] = []
    while swept := ctx.dispatcher.sweep(Queue.DOWNLOAD, ctx.now()).dispatched:
        dispatched += swept
    return dispatched


def limit_messages(ctx: Context, bound: int) -> int:
    """Set the limit of messages; return how many of them may be LOW."""
    vars(ctx.dispatcher)["_max_messages"] = bound
    return bound - bound // NORMAL_SHARE
