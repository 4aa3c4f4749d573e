"""The command line of a machine that has the URL of a queue, and no Redis."""

import json
from pathlib import Path

import pytest

from imagequeue import LocalClient
from imagequeue.config.settings import Settings
from imagequeue.jobs.job import State, utc_now
from imagequeue.store.callers.api_keys import ApiKeys, Limits
from imagequeue.worker.context import Context
from support.cli import Ran, imagequeue
from support.jobs import move, queued

CAT = '{"provider": "kie-flux-kontext", "prompt": "a cat"}'
NONE = '{"provider": "kie-flux-kontext", "prompt": ""}'


@pytest.fixture
def remote(api: str, ctx: Context) -> dict[str, str]:
    """The settings of a machine that knows a URL and a key."""
    key = ApiKeys(ctx.store.redis).add("shop", Limits(), utc_now())
    return {"url": api, "api_key": key}


def test_job_is_submitted_shown_listed_and_cancelled(
    remote: dict[str, str], settings: Settings
) -> None:
    def run(*arguments: str) -> Ran:
        return imagequeue(*arguments, settings=remote)

    submitted = run("submit", "kie-flux-kontext", "a cat", "--param", "aspect_ratio=1:1", "--json")
    assert submitted.status == 0, submitted.err
    job = json.loads(submitted.out)
    assert LocalClient(settings).get(job["id"]).submitted_by == "shop"
    assert "queued" in run("status", job["id"]).out
    assert job["id"] in run("list", "--state", "queued").out
    assert "cancelled" in run("cancel", job["id"]).out
    refused = run("cancel", job["id"])
    assert (refused.status, refused.out) == (2, "")
    assert run("list", "--state", "done").status == 2
    assert run("cancel", "--state", "queued").status == 2


def test_batch_is_submitted_and_its_jobs_are_waited_for(
    remote: dict[str, str], ctx: Context
) -> None:
    Path("cats.jsonl").write_text(f"{CAT}\n\n{NONE}\nno JSON\n{CAT}\n")
    refused = imagequeue("batch", "cats.jsonl", settings=remote)
    assert refused.status == 2
    assert "line 3: prompt" in refused.err
    ran = imagequeue("batch", "cats.jsonl", "--skip-bad", "--json", settings=remote)
    assert ran.status == 1, "lines were refused"
    assert "line 4: provider" in ran.err
    ids = [json.loads(line)["id"] for line in ran.out.splitlines()]
    assert len(ids) == 2
    move(ctx, ids[0], State.DOWNLOADING, State.SUCCEEDED)
    move(ctx, ids[1], State.CANCELLED)
    assert "2 of 2 finished" in imagequeue("batches", settings=remote).out
    waited = imagequeue("wait", *ids, settings=remote)
    assert (waited.status, len(waited.out.splitlines())) == (1, 2)


def test_redis_settings_go_before_the_url(
    remote: dict[str, str], overrides: dict[str, str], ctx: Context
) -> None:
    settings = {**overrides, "url": "http://127.0.0.1:1", "api_key": "x"}
    assert queued(ctx) in imagequeue("list", settings=settings).out


def test_wrong_key_is_said_in_one_line(remote: dict[str, str]) -> None:
    ran = imagequeue("list", settings={**remote, "api_key": "wrong"})
    assert ran.status == 2
    assert ran.err.startswith("imagequeue: ")
    assert "wrong" not in ran.err
