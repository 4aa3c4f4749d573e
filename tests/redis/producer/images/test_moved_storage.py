"""After its storage was moved, an image is shown and served where it is now."""

import json
from pathlib import Path

import pytest
import requests

from imagequeue.config.celery import make_celery
from imagequeue.config.settings import read_settings
from imagequeue.jobs.job import State
from imagequeue.producer.api.application import create_app
from imagequeue.producer.client import LocalClient
from imagequeue.store import keys
from imagequeue.worker.context import Context, open_context
from support.asgi import serving
from support.cli import imagequeue
from support.images import PNG, get, stored
from support.jobs import move
from support.worker.webhooks import SECRET

Overrides = dict[str, str]


def as_version_3(record: bytes, old_uri: str) -> bytes:
    """Return the record as it was written while it held the URI of an image."""
    fields = json.loads(record)
    del fields["images"][0]["name"]
    fields["images"][0]["uri"] = old_uri
    return json.dumps({**fields, "v": 3}, separators=(",", ":")).encode()


@pytest.fixture
def kind() -> str:
    return "file"


@pytest.fixture
def overrides(overrides: Overrides) -> Overrides:
    return {**overrides, "webhook_url": "https://receiver.example/", "webhook_secret": SECRET}


@pytest.mark.parametrize("version", [3, 4])
def test_image_of_a_moved_storage_is_shown_where_it_is(
    ctx: Context, overrides: Overrides, tmp_path: Path, version: int
) -> None:
    job_id = stored(ctx)
    former = ctx.store.get(job_id).images[0].uri or ""
    record = ctx.store.redis.get(keys.record(job_id))
    assert ctx.storage.url not in record.decode()
    if version == 3:
        ctx.store.redis.set(keys.record(job_id), as_version_3(record, former))
    Path(ctx.storage.url.removeprefix("file://")).rename(tmp_path / "moved to")

    overrides["storage_url"] = (tmp_path / "moved to").as_uri()
    uri = f"{overrides['storage_url']}/{job_id}/0.png"
    settings = read_settings(**overrides)
    with make_celery(settings) as celery:
        move(open_context(settings, celery), job_id, State.SUCCEEDED)
    client = LocalClient(settings)
    assert [client.get(job_id).images[0].uri, client.list().jobs[0].images[0].uri] == [uri] * 2
    with serving(create_app(settings)) as url:
        for path in (f"/v1/jobs/{job_id}", f"/v1/jobs/{job_id}?wait=1", "/v1/jobs"):
            shown = requests.get(f"{url}{path}", timeout=30).json()
            assert [image["uri"] for image in shown.get("jobs", [shown])[0]["images"]] == [uri]
            assert shown.get("jobs", [shown])[0]["images"][0]["name"] == f"{job_id}/0.png"
        assert get(f"{url}/v1/jobs/{job_id}/images/0").content == PNG
    path = tmp_path / "moved to" / job_id / "0.png"
    assert str(path) in imagequeue("status", job_id, settings=overrides).out
    assert former not in ctx.store.redis.get(keys.record(job_id)).decode()


def test_webhook_has_the_uri_of_the_moved_storage(
    ctx: Context, overrides: Overrides, tmp_path: Path
) -> None:
    job_id = stored(ctx)
    overrides["storage_url"] = (tmp_path / "moved").as_uri()
    settings = read_settings(**overrides)
    with make_celery(settings) as celery:
        moved = open_context(settings, celery)
        move(moved, job_id, State.SUCCEEDED)
        (entry,) = moved.outbox.list_unsent(job_id)
    assert imagequeue("webhooks", "resend", job_id, settings=overrides).status == 0
    uri = f"{overrides['storage_url']}/{job_id}/0.png"
    for each in (entry, *moved.outbox.list_unsent(job_id)):
        (image,) = json.loads(json.loads(each)["body"])["data"]["images"]
        assert image["uri"] == uri
