"""Jobs whose images a stub serves, and the files they end as."""

import io
from pathlib import Path

from PIL import Image as Picture

from imagequeue.providers.wire import ResultImage, Succeeded
from imagequeue.storage.base import ID_NAME, PROGRESS_NAME
from imagequeue.storage.files import FileStorage
from imagequeue.worker.apply_status import apply_status
from imagequeue.worker.context import Context
from support.jobs import waiting
from support.stub import Stub


def make_image(kind: str = "PNG", size: tuple[int, int] = (8, 6)) -> bytes:
    buffer = io.BytesIO()
    Picture.effect_noise(size, 80).save(buffer, kind)
    return buffer.getvalue()


def downloading(ctx: Context, stub: Stub, *images: ResultImage) -> str:
    """A job whose result URLs are known: `images`, or one that lives for a minute."""
    job_id = waiting(ctx, stub)
    known = images or (ResultImage(url=f"{stub.url}/0", lifetime_s=60),)
    apply_status(ctx, ctx.store.get(job_id), Succeeded(images=known), "callback")
    return job_id


def folder_of(ctx: Context) -> Path:
    assert isinstance(ctx.storage, FileStorage)
    return ctx.storage.folder


def files(ctx: Context) -> list[str]:
    """The names in the storage, without that of its own id."""
    folder = folder_of(ctx)
    found = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    return sorted(found - {ID_NAME, PROGRESS_NAME})
