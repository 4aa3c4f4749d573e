"""Images that are refused, incomplete or unsafe, and hosts and disks that fail."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image as Picture

from imagequeue.jobs.job import State
from imagequeue.providers.wire import ResultImage
from imagequeue.storage.media.validate import NotMediaError
from imagequeue.worker.context import Context
from imagequeue.worker.download import download
from support.clock import Clock
from support.media import validate_file
from support.paths import VIDEO
from support.stub import Stub
from support.worker.downloads import downloading, files, folder_of, make_image


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    trusted = urlsplit(stub.url).netloc
    return {**overrides, "kie_base_url": stub.url, "download_trusted_hosts": trusted}


CUT = {"Content-Length": "99999"}

BROKEN: dict[str, Any] = {
    "a web page": (200, b"<html>sorry</html>"),
    "empty": (200, b""),
    "the PNG is cut off": (200, make_image(size=(64, 64))[:900]),
    "the MP4 is cut off": (200, VIDEO.read_bytes()[:3000]),
    "HTTP 404": (404, b""),
    "HTTP 403": (403, make_image()),
}


@pytest.mark.parametrize(("why", "answer"), BROKEN.items(), ids=BROKEN)
def test_invalid_image_ends_unsaved_without_file(
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
        (200, make_image(), CUT),
        (200, make_image(), {**CUT, "Connection": "close"}),
    ],
    ids=["hangs up", "503", "goes silent", "cut off"],
)
def test_failing_host_is_retried_until_url_expires(
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


def test_untrusted_private_address_is_refused(ctx: Context, stub: Stub) -> None:
    other = stub.url.replace("127.0.0.1", "localhost")
    job_id = downloading(ctx, stub, ResultImage(url=f"{other}/0", lifetime_s=60))
    assert download(ctx, job_id) is None
    assert "/0" not in [url for _, url, _ in stub.asked]
    assert "private address" in (ctx.store.get(job_id).images[0].error or "")


def test_redirect_to_private_address_is_refused(ctx: Context, stub: Stub) -> None:
    other = stub.url.replace("127.0.0.1", "localhost")
    job_id = downloading(ctx, stub)
    stub.answer = lambda *_: (302, b"", {"Location": f"{other}/secret"})
    download(ctx, job_id)
    asked = [url for _, url, _ in stub.asked]
    assert (asked.count("/0"), asked.count("/secret")) == (1, 0)
    assert ctx.store.get(job_id).images[0].state == "expired"


def test_too_large_file_is_given_up_at_once(ctx: Context, stub: Stub) -> None:
    vars(ctx)["settings"] = ctx.settings.model_copy(update={"download_max_bytes": 100})
    job_id = downloading(ctx, stub)
    stub.answer = lambda *_: (200, make_image(size=(64, 64)))
    assert download(ctx, job_id) is None
    job = ctx.store.get(job_id)
    assert job.state is State.UNSAVED
    assert job.error
    assert "larger than 100 bytes" in job.error.message
    assert files(ctx) == []


def test_decompression_bomb_is_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    Picture.new("1", (20_000, 10_000)).save(bomb)
    with pytest.raises(NotMediaError, match="pixels"):
        validate_file(bomb)


def test_every_truncation_of_a_video_is_refused(tmp_path: Path) -> None:
    whole = VIDEO.read_bytes()
    cut = tmp_path / "cut.mp4"
    for length in range(16, len(whole), 97):
        cut.write_bytes(whole[:length])
        with pytest.raises(NotMediaError):
            validate_file(cut)


def test_unwritable_disk_ends_unsaved(ctx: Context, stub: Stub, clock: Clock) -> None:
    job_id = downloading(ctx, stub)
    stub.answer = lambda *_: (200, make_image())
    folder_of(ctx).parent.mkdir(parents=True, exist_ok=True)
    folder_of(ctx).write_text("a file where the folder should be")
    assert download(ctx, job_id) == 5
    clock.advance(60)
    while download(ctx, job_id) is not None:
        pass
    assert ctx.store.get(job_id).state is State.UNSAVED
