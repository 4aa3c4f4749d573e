"""Download: images are saved as what their bytes are, the most urgent first."""

from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from imagequeue.config.celery import make_celery
from imagequeue.config.settings import read_settings
from imagequeue.jobs.job import State, add_seconds
from imagequeue.producer.client import LocalClient
from imagequeue.providers.wire import ResultImage
from imagequeue.storage import Temporary
from imagequeue.worker.context import Context, open_context
from imagequeue.worker.download import _apply_progress, download
from support.clock import Clock
from support.downloads import fetched
from support.jobs import path
from support.paths import VIDEO
from support.stub import Stub
from support.worker.downloads import downloading, files, folder_of, make_image


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    trusted = urlsplit(stub.url).netloc
    return {**overrides, "kie_base_url": stub.url, "download_trusted_hosts": trusted}


@pytest.mark.parametrize(
    ("kind", "content_type", "extension"),
    [
        ("PNG", "image/png", "png"),
        ("JPEG", "image/jpeg", "jpg"),
        ("WEBP", "image/webp", "webp"),
        ("GIF", "image/gif", "gif"),
    ],
)
def test_image_is_saved_as_its_bytes_say(
    ctx: Context, stub: Stub, kind: str, content_type: str, extension: str
) -> None:
    data = make_image(kind)
    job_id = downloading(ctx, stub)
    stub.answer = lambda *_: (200, data, {"Content-Type": "text/plain"})
    assert download(ctx, job_id) is None
    job = ctx.store.get(job_id)
    (image,) = job.images
    assert job.state is State.SUCCEEDED
    assert (image.content_type, image.width, image.height) == (content_type, 8, 6)
    assert image.uri == (folder_of(ctx) / job_id / f"0.{extension}").as_uri()
    assert (folder_of(ctx) / job_id / f"0.{extension}").read_bytes() == data
    assert image.bytes == len(data)


def test_video_is_saved(ctx: Context, stub: Stub) -> None:
    job_id = downloading(ctx, stub)
    stub.answer = lambda *_: (200, VIDEO.read_bytes())
    download(ctx, job_id)
    assert ctx.store.get(job_id).images[0].content_type == "video/mp4"


def test_first_to_expire_is_fetched_first(ctx: Context, stub: Stub) -> None:
    lives = {"slow": 86400, "soon": 60, "later": 3600}
    images = [ResultImage(url=f"{stub.url}/{name}", lifetime_s=s) for name, s in lives.items()]
    job_id = downloading(ctx, stub, *images)
    ctx.store.redis.delete("download")  # its own message, which a worker would have taken
    stub.answer = lambda *_: (200, make_image())
    assert download(ctx, job_id) is None
    assert [url for method, url, _ in stub.asked if method == "GET"] == ["/soon", "/later", "/slow"]


def test_unknown_lifetime_counts_as_urgent(ctx: Context, stub: Stub) -> None:
    job_id = downloading(ctx, stub, ResultImage(url=f"{stub.url}/0"))
    (image,) = ctx.store.get(job_id).images
    assert image.expires_at == add_seconds(ctx.now(), ctx.settings.url_lifetime_s)


def test_backoff_leaves_tries_before_expiry(ctx: Context, stub: Stub, clock: Clock) -> None:
    job_id = downloading(ctx, stub)
    stub.answer = lambda *_: (503, b"")
    pauses = []
    while clock() < ctx.store.get(job_id).images[0].expires_at:
        pause_s = download(ctx, job_id)
        assert pause_s is not None
        pauses.append(pause_s)
        clock.advance(pause_s)
    assert pauses[:4] == [5, 10, 20, 12.5]
    assert pauses[-1] >= 1


def test_lost_origin_image_fails_nothing(ctx: Context, stub: Stub) -> None:
    job_id = downloading(
        ctx,
        stub,
        ResultImage(url=f"{stub.url}/result", lifetime_s=60),
        ResultImage(url=f"{stub.url}/origin", lifetime_s=60, kind="origin"),
    )
    stub.answer = lambda _, url, __: (200, make_image()) if url == "/result" else (403, b"")
    while download(ctx, job_id) is not None:
        pass
    job = ctx.store.get(job_id)
    assert job.state is State.SUCCEEDED
    assert [image.state for image in job.all_images] == ["stored", "expired"]
    assert sum(url == "/result" for _, url, _ in stub.asked) == 1


def test_origin_is_listed_and_not_saved_by_default(
    overrides: dict[str, str], clock: Clock, stub: Stub
) -> None:
    settings = read_settings(**{**overrides, "save_origins": "false"})
    with make_celery(settings) as celery:
        ctx = open_context(settings, celery, now=clock)
        origin = ResultImage(url=f"{stub.url}/origin", lifetime_s=60, kind="origin")
        job_id = downloading(ctx, stub, origin, ResultImage(url=f"{stub.url}/result"))
        stub.answer = lambda *_: (200, make_image())
        assert download(ctx, job_id) is None
    job = ctx.store.get(job_id)
    assert (job.state, fetched(stub)) == (State.SUCCEEDED, ["/result"])
    assert [(image.index, image.state) for image in job.images] == [(0, "stored")]
    assert [(image.index, image.state) for image in job.origins] == [(1, "skipped")]


def test_retry_of_unsaved_job_pays_nothing(ctx: Context, stub: Stub) -> None:
    job_id = downloading(ctx, stub)
    while download(ctx, job_id) is not None:
        pass
    posts = len(stub.posts)
    LocalClient(ctx.settings, now=ctx.now).retry(job_id)
    stub.answer = lambda *_: (200, make_image())
    download(ctx, job_id)
    job = ctx.store.get(job_id)
    assert path(job)[-4:] == ["downloading", "unsaved", "downloading", "succeeded"]
    assert len(stub.posts) == posts


def test_killed_download_leaves_no_final_file(
    ctx: Context, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(file: Temporary, _: Any) -> Any:
        assert Path(file.name).stat().st_size
        raise Killed

    job_id = downloading(ctx, stub)
    stub.answer = lambda *_: (200, make_image())
    monkeypatch.setattr("imagequeue.worker.saving.save.validate_media", killed)
    with pytest.raises(Killed):
        download(ctx, job_id)
    assert files(ctx) == []


def test_image_stored_by_other_worker_stays(ctx: Context, stub: Stub) -> None:
    job_id = downloading(ctx, stub)
    (pending,) = ctx.store.get(job_id).images
    stored = pending.model_copy(update={"state": "stored", "uri": "file:///kept.png"})
    ctx.transition(ctx.store.get(job_id), partial(_apply_progress, ctx, {0: stored}))
    given_up = pending.model_copy(update={"state": "expired"})
    ctx.transition(ctx.store.get(job_id), partial(_apply_progress, ctx, {0: given_up}))
    assert ctx.store.get(job_id).images == (stored,)
