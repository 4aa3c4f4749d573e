"""Images as files: one, those of a job, and those of the gallery's filters in a zip."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit
from zipfile import ZipFile

import pytest
import requests

from imagequeue.jobs.job import State
from imagequeue.producer import image_zip
from imagequeue.producer.image_zip import name_image, write_zip
from imagequeue.storage.base import CHUNK_BYTES, Blob, StorageError
from imagequeue.worker.context import Context
from support.callers import Ask
from support.dashboard import get
from support.images import PNG, stored
from support.jobs import move, picture, queued, unsaved


def read_zip(content: bytes) -> dict[str, bytes]:
    with ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def download(url: str) -> dict[str, bytes]:
    answer = requests.get(url, timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/zip")
    assert "attachment" in answer.headers["Content-Disposition"]
    return read_zip(answer.content)


def test_download_has_a_name_that_says_what_it_shows(site: str, ctx: Context) -> None:
    job_id = stored(ctx)
    answer = requests.get(f"{site}/jobs/{job_id}/images/0", timeout=30)
    assert answer.content == PNG
    name = f"attachment; filename*=UTF-8''a-cat-{job_id}-0.png"
    assert answer.headers["Content-Disposition"] == name
    job = ctx.store.get(job_id).model_copy(update={"prompt": "Ein Bär / 猫:" + " x" * 99})
    assert name_image(job, job.images[0]).startswith("ein-bär-猫-x-x")
    assert len(name_image(job, job.images[0])) < 120
    get(f"{site}/jobs/{job_id}/images/1", 404)


def test_zip_has_the_images_of_the_filter_and_lists_the_missing(site: str, ctx: Context) -> None:
    kept, gone, other = stored(ctx), stored(ctx), stored(ctx)
    for job_id in (kept, gone):
        move(ctx, job_id, State.SUCCEEDED)
    Path(unquote(urlsplit(ctx.store.get(gone).images[0].uri or "").path)).unlink()
    files = download(f"{site}/images.zip?state=succeeded")
    missing = files.pop("missing.txt").decode()
    assert files == {f"a-cat-{kept}-0.png": PNG}
    assert missing.startswith(f"{gone}/0: no longer at file://")
    assert f"a-cat-{other}-0.png" in download(f"{site}/images.zip")
    never = download(f"{site}/images.zip?q={unsaved(ctx)[-8:]}")
    assert b"/0: not saved" in never["missing.txt"]
    assert list(download(f"{site}/images.zip?q=unicorn")) == ["missing.txt"]
    assert list(download(f"{site}/jobs/{kept}/images.zip")) == [f"a-cat-{kept}-0.png"]


def test_zip_has_only_images_that_the_caller_may_see(ask: Ask, ctx: Context) -> None:
    own, foreign = stored(ctx), stored(ctx)
    for job_id, caller in ((own, "shop"), (foreign, "other")):
        ctx.store.transition(
            ctx.store.get(job_id),
            lambda job: job.evolve(job.wake_at, submitted_by=caller),  # noqa: B023
        )
    names = read_zip(ask("shop", "GET", "/images.zip", page=True).content)
    assert list(names) == [f"a-cat-{own}-0.png"]
    ticked = f"/selected.zip?ticked=yes&id={own}&id={foreign}"
    assert list(read_zip(ask("shop", "GET", ticked, page=True).content)) == list(names)
    assert ask("shop", "GET", "/selected.zip?ticked=yes", page=True).status_code == 400
    for path in ("images.zip", "images/0"):
        answer = ask("shop", "GET", f"/jobs/{foreign}/{path}", page=True)
        assert answer.status_code == 404
    assert len(read_zip(ask("wall", "GET", "/images.zip", page=True).content)) == 2


def test_zip_ends_at_its_bound_and_names_the_rest(
    site: str, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_zip, "MAX_IMAGES", 2)
    ids = [stored(ctx) for _ in range(5)][::-1]
    url, found = f"{site}/images.zip?q=a+cat", []
    while url:
        files = download(url)
        more = files.pop("missing.txt", b"").decode()
        found.append(list(files))
        (url,) = re.findall(r"There are more images: (\S+)", more) or [""]
        assert "q=a+cat&cursor=" in url or not url
    names = [f"a-cat-{job_id}-0.png" for job_id in ids]
    assert found == [names[:2], names[2:4], names[4:]]


def test_zip_is_written_piece_by_piece(ctx: Context) -> None:
    job = ctx.store.get(stored(ctx, data=PNG + bytes(5 * CHUNK_BYTES)))
    pieces = list(write_zip(ctx.storage, [job]))
    assert max(map(len, pieces)) < CHUNK_BYTES + 1000
    assert len(read_zip(b"".join(pieces)).popitem()[1]) == len(PNG) + 5 * CHUNK_BYTES


@pytest.mark.parametrize("error", [StorageError("reset"), OSError(5, "I/O error"), None])
def test_image_that_ends_early_is_listed_and_not_in_the_zip(
    ctx: Context, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    broken, whole = (ctx.store.get(stored(ctx)) for _ in range(2))

    def open_image(uri: str) -> Blob:
        blob = opened(uri)
        return blob._replace(chunks=cut(blob.chunks)) if uri == broken.images[0].uri else blob

    def cut(chunks: Iterator[bytes]) -> Iterator[bytes]:
        yield next(chunks)[:20]
        if error:
            raise error

    opened = ctx.storage.open
    monkeypatch.setattr(ctx.storage, "open", open_image)
    files = read_zip(b"".join(write_zip(ctx.storage, [broken, whole])))
    missing = files.pop("missing.txt").decode()
    assert files == {name_image(whole, whole.images[0]): PNG}
    assert f"{broken.id}/0: " in missing
    assert str(error or f"20 of {len(PNG)} bytes could be read") in missing


def test_gallery_offers_the_images_of_its_filter(site: str, ctx: Context) -> None:
    assert "images.zip" not in get(f"{site}/")
    job_id = queued(ctx)
    image = picture(ctx, state="stored", uri="file:///x", content_type="image/png")
    movie = image.model_copy(update={"index": 1, "content_type": "video/mp4"})
    more = image.model_copy(update={"index": 2})
    move(ctx, job_id, State.SUBMITTING, State.DOWNLOADING, images=(movie, image, more))
    html = get(f"{site}/?state=downloading")
    assert html.count('href="/images.zip?state=downloading"') == 2
    # A job's page leads on to other jobs of the filter.
    assert f'href="/jobs/{job_id}?state=downloading"' in html
    assert f'data-view="{job_id}/0 {job_id}/2 {job_id}/1/video" data-title="a cat"' in html
    page = get(f"{site}/jobs/{job_id}")
    assert re.findall(r'data-view="([^"]+)"', page) == [
        f"{job_id}/1/video",
        *(f"{job_id}/{n}" for n in (0, 2)),
    ]
    assert "<video controls playsinline hidden></video>" in page.partition('id="lightbox"')[2]
    assert 'href="/images.zip?"' in get(f"{site}/")
