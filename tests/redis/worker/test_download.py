"""Download: verified bytes or none, tries that end, and `retry` that pays nothing."""

import io
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image as Picture

from imagequeue.jobs.job import State, add_seconds
from imagequeue.producer.client import Client
from imagequeue.providers.wire import ResultImage, Succeeded
from imagequeue.storage import Temporary
from imagequeue.storage.files import FileStorage
from imagequeue.worker.context import Context
from imagequeue.worker.download import _apply_progress, download
from imagequeue.worker.media.validate import NotMediaError
from imagequeue.worker.settle import settle
from support.clock import Clock
from support.jobs import path, waiting
from support.media import examined
from support.paths import VIDEO
from support.stub import Stub


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    trusted = urlsplit(stub.url).netloc
    return {**overrides, "kie_base_url": stub.url, "download_trusted_hosts": trusted}


def picture(kind: str = "PNG", size: tuple[int, int] = (8, 6)) -> bytes:
    buffer = io.BytesIO()
    Picture.effect_noise(size, 80).save(buffer, kind)
    return buffer.getvalue()


def downloading(ctx: Context, stub: Stub, *images: ResultImage) -> str:
    """A job whose result URLs are known: `images`, or one that lives for a minute."""
    job_id = waiting(ctx, stub)
    known = images or (ResultImage(url=f"{stub.url}/0", lifetime_s=60),)
    settle(ctx, ctx.store.get(job_id), Succeeded(images=known), "callback")
    return job_id


def folder_of(ctx: Context) -> Path:
    assert isinstance(ctx.storage, FileStorage)
    return ctx.storage.folder


def files(ctx: Context) -> list[str]:
    folder = folder_of(ctx)
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("kind", "content_type", "extension"),
    [
        ("PNG", "image/png", "png"),
        ("JPEG", "image/jpeg", "jpg"),
        ("WEBP", "image/webp", "webp"),
        ("GIF", "image/gif", "gif"),
    ],
)
def test_a_picture_is_saved_as_what_its_bytes_are(
    ctx: Context, stub: Stub, kind: str, content_type: str, extension: str
) -> None:
    data = picture(kind)
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


def test_a_video_is_saved_too(ctx: Context, stub: Stub) -> None:
    job_id = downloading(ctx, stub)
    stub.answer = lambda *_: (200, VIDEO.read_bytes())
    download(ctx, job_id)
    assert ctx.store.get(job_id).images[0].content_type == "video/mp4"


CUT = {"Content-Length": "99999"}
BROKEN: dict[str, Any] = {
    "a web page": (200, b"<html>sorry</html>"),
    "empty": (200, b""),
    "the PNG is cut off": (200, picture(size=(64, 64))[:900]),
    "the MP4 is cut off": (200, VIDEO.read_bytes()[:3000]),
    "HTTP 404": (404, b""),
    "HTTP 403": (403, picture()),
}


@pytest.mark.parametrize(("why", "answer"), BROKEN.items(), ids=BROKEN)
def test_what_is_no_whole_picture_is_tried_again_and_ends_unsaved_with_no_file(
    ctx: Context, stub: Stub, why: str, answer: Any
) -> None:
    job_id = downloading(ctx, stub, ResultImage(url=f"{stub.url}/0", lifetime_s=86400))
    stub.answer = lambda *_: answer
    pauses = []
    while (pause_s := download(ctx, job_id)) is not None:
        pauses.append(pause_s)
        assert files(ctx) == []
    assert pauses[:3] == [5, 10, 20]
    assert len(pauses) == ctx.settings.download_attempts - 1
    job = ctx.store.get(job_id)
    assert job.state is State.UNSAVED
    assert job.error
    assert job.error.message.startswith("1 of 1 images could not be saved: ")
    assert why in job.error.message
    assert files(ctx) == []


@pytest.mark.parametrize(
    "answer",
    [
        None,
        (503, b""),
        (200, picture(), CUT),
        (200, picture(), {**CUT, "Connection": "close"}),
    ],
    ids=["hangs up", "503", "goes silent", "cut off"],
)
def test_a_host_in_trouble_is_asked_for_as_long_as_the_url_lives(
    ctx: Context, stub: Stub, clock: Clock, answer: Any
) -> None:
    bounds = {"download_attempts": 2, "download_timeout_s": 0.5}
    vars(ctx)["settings"] = ctx.settings.model_copy(update=bounds)
    job_id = downloading(ctx, stub)
    stub.answer = lambda *_: answer
    for _ in range(4):
        assert download(ctx, job_id) is not None
    clock.advance(60)
    assert download(ctx, job_id) is None
    assert ctx.store.get(job_id).state is State.UNSAVED


def test_a_private_address_is_never_asked_unless_it_is_trusted(ctx: Context, stub: Stub) -> None:
    other = stub.url.replace("127.0.0.1", "localhost")
    job_id = downloading(ctx, stub, ResultImage(url=f"{other}/0", lifetime_s=60))
    assert download(ctx, job_id) is not None
    assert "/0" not in [url for _, url, _ in stub.asked]
    assert "private address" in (ctx.store.get(job_id).images[0].error or "")


def test_a_redirect_to_a_private_address_is_not_followed(ctx: Context, stub: Stub) -> None:
    other = stub.url.replace("127.0.0.1", "localhost")
    job_id = downloading(ctx, stub)
    stub.answer = lambda *_: (302, b"", {"Location": f"{other}/secret"})
    download(ctx, job_id)
    asked = [url for _, url, _ in stub.asked]
    assert (asked.count("/0"), asked.count("/secret")) == (1, 0)
    assert ctx.store.get(job_id).images[0].state == "pending"


def test_a_file_above_the_bound_is_given_up_at_once(ctx: Context, stub: Stub) -> None:
    vars(ctx)["settings"] = ctx.settings.model_copy(update={"download_max_bytes": 100})
    job_id = downloading(ctx, stub)
    stub.answer = lambda *_: (200, picture(size=(64, 64)))
    assert download(ctx, job_id) is None
    job = ctx.store.get(job_id)
    assert job.state is State.UNSAVED
    assert job.error
    assert "larger than 100 bytes" in job.error.message
    assert files(ctx) == []


def test_the_image_that_dies_first_is_fetched_first(ctx: Context, stub: Stub) -> None:
    lives = {"slow": 86400, "soon": 60, "later": 3600}
    images = [ResultImage(url=f"{stub.url}/{name}", lifetime_s=s) for name, s in lives.items()]
    job_id = downloading(ctx, stub, *images)
    ctx.store.redis.delete("download")  # its own hint, which a worker would have taken
    stub.answer = lambda *_: (200, picture())
    assert download(ctx, job_id) is None
    assert [url for method, url, _ in stub.asked if method == "GET"] == ["/soon", "/later", "/slow"]


def test_a_url_of_which_nobody_says_how_long_it_lives_is_hurried_for(
    ctx: Context, stub: Stub
) -> None:
    job_id = downloading(ctx, stub, ResultImage(url=f"{stub.url}/0"))
    (image,) = ctx.store.get(job_id).images
    assert image.expires_at == add_seconds(ctx.now(), ctx.settings.url_lifetime_s)


def test_retries_back_off_but_leave_tries_before_the_end(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
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


def test_the_loss_of_the_origin_image_alone_fails_nothing(ctx: Context, stub: Stub) -> None:
    job_id = downloading(
        ctx,
        stub,
        ResultImage(url=f"{stub.url}/result", lifetime_s=60),
        ResultImage(url=f"{stub.url}/origin", lifetime_s=60, kind="origin"),
    )
    stub.answer = lambda _, url, __: (200, picture()) if url == "/result" else (403, b"")
    while download(ctx, job_id) is not None:
        pass
    job = ctx.store.get(job_id)
    assert job.state is State.SUCCEEDED
    assert [image.state for image in job.images] == ["stored", "expired"]
    assert sum(url == "/result" for _, url, _ in stub.asked) == 1


def test_retry_of_an_unsaved_job_downloads_again_and_pays_nothing(ctx: Context, stub: Stub) -> None:
    job_id = downloading(ctx, stub)
    while download(ctx, job_id) is not None:
        pass
    posts = len(stub.posts)
    Client(ctx.settings, now=ctx.now).retry(job_id)
    stub.answer = lambda *_: (200, picture())
    download(ctx, job_id)
    job = ctx.store.get(job_id)
    assert path(job)[-4:] == ["downloading", "unsaved", "downloading", "succeeded"]
    assert len(stub.posts) == posts


def test_a_kill_in_the_middle_leaves_no_file_at_a_final_name(
    ctx: Context, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(file: Temporary) -> Any:
        assert Path(file.name).stat().st_size
        raise Killed

    job_id = downloading(ctx, stub)
    stub.answer = lambda *_: (200, picture())
    monkeypatch.setattr("imagequeue.worker.save.validate_media", killed)
    with pytest.raises(Killed):
        download(ctx, job_id)
    assert files(ctx) == []


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    Picture.new("1", (20_000, 10_000)).save(bomb)
    with pytest.raises(NotMediaError, match="pixels"):
        examined(bomb)


def test_every_cut_of_a_video_is_noticed(tmp_path: Path) -> None:
    whole = VIDEO.read_bytes()
    cut = tmp_path / "cut.mp4"
    for length in range(16, len(whole), 97):
        cut.write_bytes(whole[:length])
        with pytest.raises(NotMediaError):
            examined(cut)


def test_what_another_worker_has_stored_stays_stored(ctx: Context, stub: Stub) -> None:
    job_id = downloading(ctx, stub)
    (pending,) = ctx.store.get(job_id).images
    stored = pending.model_copy(update={"state": "stored", "uri": "file:///kept.png"})
    ctx.transition(ctx.store.get(job_id), partial(_apply_progress, ctx, {0: stored}))
    given_up = pending.model_copy(update={"state": "expired"})
    ctx.transition(ctx.store.get(job_id), partial(_apply_progress, ctx, {0: given_up}))
    assert ctx.store.get(job_id).images == (stored,)


def test_a_disk_that_cannot_be_written_is_tried_again_and_ends_unsaved(
    ctx: Context, stub: Stub, clock: Clock
) -> None:
    job_id = downloading(ctx, stub)
    stub.answer = lambda *_: (200, picture())
    folder_of(ctx).parent.mkdir(parents=True, exist_ok=True)
    folder_of(ctx).write_text("a file where the folder should be")
    assert download(ctx, job_id) == 5
    clock.advance(60)
    while download(ctx, job_id) is not None:
        pass
    assert ctx.store.get(job_id).state is State.UNSAVED
