"""The API, the dashboard and the command line show archived jobs as all others."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import requests

from imagequeue.worker.archive import Archiver
from imagequeue.worker.context import Context
from support.asgi import Serve
from support.cli import imagequeue
from support.jobs import failed, queued
from support.worker.hand_overs import succeed


@pytest.fixture
def overrides(overrides: dict[str, str], tmp_path: Path) -> dict[str, str]:
    return {**overrides, "archive_url": f"sqlite:///{tmp_path}/archive.sqlite"}


@pytest.fixture
def ids(ctx: Context) -> list[str]:
    """Jobs, the oldest two archived: one has an image."""
    found = [succeed(ctx), failed(ctx, prompt="a lighthouse", metadata={"order": 7})]
    ctx.now.advance(ctx.settings.finished_s + 1)  # type: ignore[attr-defined]
    Archiver(ctx).move()
    opened = ctx.open_archive()
    assert opened
    opened.close()  # type: ignore[attr-defined]
    return [*found, queued(ctx)]


def get(url: str, **params: Any) -> Any:
    answer = requests.get(url, params=params, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer


def test_archived_jobs_are_listed_searched_exported_and_served(
    serve: Serve, ids: list[str], overrides: dict[str, str]
) -> None:
    site = serve()

    def listed(**params: Any) -> list[str]:
        return [job["id"] for job in get(f"{site}/v1/jobs", **params).json()["jobs"]]

    assert listed() == ids[::-1]
    assert listed(words="light") == listed(metadata="order=7") == ids[1:2]
    assert listed(state="queued") == ids[2:]
    assert listed(id=ids) == ids
    assert get(f"{site}/v1/jobs/{ids[1]}").json()["prompt"] == "a lighthouse"
    assert get(f"{site}/v1/jobs/{ids[0]}/images/0").headers["content-type"] == "image/png"
    exported = get(f"{site}/v1/jobs/export", format="csv")
    assert exported.headers["content-type"].startswith("text/csv")
    assert [row["id"] for row in csv.DictReader(io.StringIO(exported.text))] == ids[::-1]
    page = get(site, q="lighthouse").text
    assert [each in page for each in ids] == [False, True, False]
    assert ids[1] in get(f"{site}/jobs/{ids[1]}").text
    assert requests.get(f"{site}/v1/jobs", params={"metadata": "x"}, timeout=9).status_code == 422

    ran = imagequeue("list", "--words", "light", "--json", settings=overrides)
    assert [json.loads(line)["id"] for line in ran.out.splitlines()] == ids[1:2]
    ran = imagequeue("retry", ids[1], "--pay-again", settings=overrides)
    assert ran.status == 0, ran.err
    assert sorted(listed(state="queued")) == ids[1:]


def test_export_of_the_command_line_takes_filters(
    ids: list[str], overrides: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "jobs.jsonl"
    given = ("--state", "failed", "--output", str(path))
    ran = imagequeue("export", *given, settings=overrides)
    assert ran.status == 0, ran.err
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == ids[1:2]
